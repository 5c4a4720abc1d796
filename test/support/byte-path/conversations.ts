/** Conversations of bytes between pods, drawn from a seed: which way they go, how they end, and what may be heard of them. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { Moods } from "./moods.ts";
import { type Speech, TalkingEnd } from "./talking-end.ts";
import { directCandidate, farCandidate, type TwoAgents } from "./two-agents.ts";

const MOST_BYTES = 4 * 1024 * 1024;
/** Nobody listens there. */
const DEAD_PORT = 1;

export interface Conversation {
  readonly number: number;
  readonly up: Speech;
  readonly down: Speech;
  readonly isDetected: boolean;
  readonly way: "tunnel" | "direct" | "second-try";
}

/** `mayReset`: some of them do not end in order. */
export function drawConversation(moods: Moods, number: number, mayReset: boolean): Conversation {
  const draw = (direction: number, canReset: boolean): Speech => {
    const length = moods.length(MOST_BYTES);
    return {
      number: 2 * number + direction,
      length,
      resetAfter: canReset ? Math.floor(length * moods.random()) : undefined,
    };
  };
  const resets = mayReset ? moods.pick(["nobody", "nobody", "nobody", "client", "server"]) : "nobody";
  return {
    number,
    up: draw(0, resets === "client"),
    down: draw(1, resets === "server"),
    isDetected: moods.chance(0.2),
    way: moods.pick(["tunnel", "tunnel", "tunnel", "tunnel", "direct", "second-try"]),
  };
}

/** What was wrong with it; empty: nothing. */
export async function converse(agents: TwoAgents, moods: Moods, conversation: Conversation): Promise<string[]> {
  const { up, down, isDetected } = conversation;
  const { server, port, talker } = await serve(moods, conversation);
  const socket = await agents.connect({ candidates: candidatesOf(conversation, port), isDetected });
  const client = new TalkingEnd(socket, { moods, says: up, hears: down });
  await client.talk();
  const other = talker();
  await other?.closed;
  server.close();
  return judge(conversation, client, other).map((problem) => `${JSON.stringify(conversation)}: ${problem}`);
}

/** What both ends of a connection may have heard. */
export function judge(
  { up, down }: Pick<Conversation, "up" | "down">,
  client: TalkingEnd,
  server: TalkingEnd | undefined,
): string[] {
  const isInOrder = up.resetAfter === undefined && down.resetAfter === undefined;
  // A server that resets before its answer was passed on.
  if (client.isRefused && down.resetAfter !== undefined) return [];
  if (server === undefined) return isInOrder ? [`server was not reached, client: ${client.error}`] : [];
  return [...judgeEnd("client", client, down, server, isInOrder), ...judgeEnd("server", server, up, client, isInOrder)];
}

function judgeEnd(name: string, end: TalkingEnd, hears: Speech, other: TalkingEnd, isInOrder: boolean): string[] {
  const state = `heard ${end.heard} of ${hears.length}, ${end.hasHeardEnd ? "end" : "no end"}, ${end.error}`;
  if (end.wrong !== undefined) return [`${name}: ${end.wrong} (${state})`];
  const isWhole = end.heard === hears.length && other.hasEnded;
  if (end.hasHeardEnd && !isWhole) return [`${name} was told an end that was none: ${state}`];
  if (isInOrder && !(isWhole && end.hasHeardEnd)) return [`${name} has not heard everything: ${state}`];
  return [];
}

function candidatesOf({ way }: Conversation, port: number): readonly Candidate[] {
  if (way === "direct") return [directCandidate(port)];
  // The first one is asked first.
  return way === "tunnel" ? [farCandidate(port)] : [farCandidate(DEAD_PORT), farCandidate(port)];
}

async function serve(
  moods: Moods,
  { up, down }: Conversation,
): Promise<{ readonly server: Server; readonly port: number; readonly talker: () => TalkingEnd | undefined }> {
  let talker: TalkingEnd | undefined;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    talker = new TalkingEnd(socket, { moods, says: down, hears: up });
    void talker.talk();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port, talker: () => talker };
}
