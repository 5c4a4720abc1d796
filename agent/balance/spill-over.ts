/**
 * How near endpoints and others divide what there is to take, once fewer of the near ones than the settings say can take
 * it. The arithmetic is that of Envoy's priority levels, whose overprovisioning factor of 1.4 is a minimum of 71 %.
 *
 *   minimum 70 %, able of the near ones:  100 %   70 %   35 %   0 %
 *   part of the near ones:                100 %  100 %   50 %   0 %
 */
export interface Parts {
  readonly near: number;
  readonly far: number;
}

/** `near`, `far`: which part of the endpoints' weight is able, in [0, 1]. The parts' sum is 1, unless both are unable. */
export function spillOverParts(near: number, far: number, minHealthyPercent: number): Parts {
  const enough = minHealthyPercent / 100;
  const nearPart = enough === 0 ? Number(near > 0) : Math.min(1, near / enough);
  // The others are no more able than they are; what neither takes is divided as the rest.
  const farPart = Math.min(1 - nearPart, enough === 0 ? far : far / enough);
  const sum = nearPart + farPart;
  return sum === 0 ? { near: 0, far: 0 } : { near: nearPart / sum, far: farPart / sum };
}
