/** Services with routes whose endpoints are reached through the tunnels of two agents: requests, and what becomes of an upgrade. */
import type { Socket } from "node:net";
import type { TearsDown } from "../http-origin.ts";
import { HttpWorld } from "../http-world.ts";
import { type Conversation, judge } from "./conversations.ts";
import type { Moods } from "./moods.ts";
import { askInHttp1, askInHttp2 } from "./placed-clients.ts";
import { placedOrigin } from "./placed-origin.ts";
import { decidePlaced, drawRequest } from "./placed-requests.ts";
import { TalkingEnd } from "./talking-end.ts";
import { farCandidate, type TwoAgents } from "./two-agents.ts";

/** Of one connection. */
const MOST_REQUESTS = 6;

export class PlacedWorld {
  readonly #moods: Moods;
  readonly #world: HttpWorld;
  readonly #problems: string[];
  readonly #upgraded: Map<string, (socket: Socket) => void>;

  private constructor(
    moods: Moods,
    world: HttpWorld,
    problems: string[],
    upgraded: Map<string, (socket: Socket) => void>,
  ) {
    this.#moods = moods;
    this.#world = world;
    this.#problems = problems;
    this.#upgraded = upgraded;
  }

  /** `version`: that its servers speak. */
  static async create(t: TearsDown, agents: TwoAgents, moods: Moods, version: 1 | 2): Promise<PlacedWorld> {
    const problems: string[] = [];
    const upgraded = new Map<string, (socket: Socket) => void>();
    const onUpgrade = (path: string, socket: Socket): void => upgraded.get(path)?.(socket);
    const origin = { version, moods, problems, onUpgrade };
    const ports = await Promise.all([1, 2, 3].map(() => placedOrigin(t, origin)));
    const world = await HttpWorld.create(t, {
      candidates: ports.slice(1).map(farCandidate),
      others: { "shop/mirror": ports.slice(0, 1) },
      decide: decidePlaced,
      pool: agents.pool,
      appProtocol: version === 2 ? "kubernetes.io/h2c" : "http",
    });
    return new PlacedWorld(moods, world, problems, upgraded);
  }

  /** A client and its requests; what was wrong with the answers. */
  async ask(number: number): Promise<string[]> {
    const moods = this.#moods;
    await moods.pause(100);
    const count = moods.upTo(MOST_REQUESTS);
    const requests = Array.from({ length: count }, (_, index) => drawRequest(moods, number * MOST_REQUESTS + index));
    return await (moods.chance(0.5) ? askInHttp1 : askInHttp2)(this.#world, moods, requests);
  }

  /** A conversation of bytes behind an upgrade, as a WebSocket is one. HTTP/1.1. */
  async upgrade(conversation: Conversation): Promise<string[]> {
    const moods = this.#moods;
    const { number, up, down } = conversation;
    let server: TalkingEnd | undefined;
    const path = `/upgraded/${number}`;
    this.#upgraded.set(path, (socket) => {
      const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\n";
      server = new TalkingEnd(socket, { moods, says: down, hears: up, head });
      void server.talk();
    });
    const head = `GET ${path} HTTP/1.1\r\nHost: catalog\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\n`;
    const client = new TalkingEnd(await this.#world.connect(), { moods, says: up, hears: down, head, hearsHead: true });
    await client.talk();
    await server?.closed;
    return judge(conversation, client, server).map((problem) => `upgraded ${JSON.stringify(conversation)}: ${problem}`);
  }

  /** Nothing is left; what servers have found wrong. */
  async settle(): Promise<string[]> {
    await this.#world.settle();
    return this.#problems;
  }
}
