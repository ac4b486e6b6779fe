/**
 * PUBLISH: out of the app's stream of requests and into the trunk's queue, or on to the server where it is not a frame.
 */
import { ANY_DOMAIN } from "../plane/domain.js";
import { type FrameFacts, factsOf } from "../plane/sender.js";
import { Command } from "../resp/command.js";
import { errorReply, integerReply } from "../resp/encoder.js";
import type { RequestDecoder } from "../resp/request.js";
import { isReserved } from "../socketio/channels.js";
import { nameFrame, newFrameName } from "../socketio/dialect.js";
import { SHARED_CHANNEL } from "../socketio/rooms.js";
import {
  type OutboundChannel,
  type OutboundFrame,
  type OutboundRoom,
  outboundFrame,
  type PublishOutcome,
} from "../trunk/outbound.js";
import type { SessionContext } from "./context.js";
import { ownPayload } from "./own-payload.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";

/** The reply to a request that names one of the sidecars' own channels. */
export const RESERVED = "ERR keyframe: channels that begin with ~kf are reserved for the sidecars";

const NO_FACTS: FrameFacts = { stream: 0, cumulative: false, tag: ANY_DOMAIN, mark: 0 };
/** Shared by all sessions: filled and read within one call. */
const frameName = newFrameName();

export class Publishing {
  readonly #context: SessionContext;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #decoder: RequestDecoder;

  constructor(context: SessionContext, session: Session, requests: Requests, decoder: RequestDecoder) {
    this.#context = context;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
  }

  /**
   * Takes the PUBLISH or SPUBLISH at hand.
   * @param inMulti it is only being queued by the server, so it is the server's
   * @returns false where it is not its turn yet
   */
  take(inMulti: boolean): boolean {
    const decoder = this.#decoder;
    const { channels, publisher } = this.#context;
    if (decoder.argc !== 3) return this.#pass();
    const name = decoder.arg(1);
    const reserved = isReserved(name);
    if (!reserved && (inMulti || decoder.command === Command.SPublish || !channels.matches(name))) return this.#pass();
    const now = this.#context.clock.now();
    const channel = reserved ? undefined : publisher.channels.get(name, now);
    if (channel?.mode === "denied" || publisher.link.state === "denied") return this.#pass();
    // Earlier requests of this connection have their effect before the frame is published, as on the server itself.
    if (this.#requests.outstanding) return false;
    if (channel === undefined) return this.#refuse(RESERVED);
    const bytes = decoder.argLength(2);
    const refusal = publisher.refusal(bytes);
    if (refusal !== undefined) {
      this.#context.limitHit(publisher.queue.fullFor(bytes) ? "queueBytes" : "queueWaitMs");
      return this.#refuse(`ERR ${refusal}`);
    }
    const payload = ownPayload(decoder, 2);
    const named = nameFrame(name, payload, frameName);
    if (!named) this.#context.unnamed.inc();
    this.#context.published.inc();
    this.#context.appBytes.inc(payload.length);
    const waits = publisher.mustWait(channel, bytes);
    const room = named ? this.#roomOf(channel, payload, now) : undefined;
    const facts = named ? factsOf(frameName, room?.mark) : NO_FACTS;
    const droppable = named && !frameName.barrier;
    const done = named && frameName.done;
    const frame = outboundFrame(channel, room, payload, facts, done, droppable, now, publisher.queue.nextSerial());
    publisher.publish(frame);
    if (!waits) {
      // Answered first: on a connection that also listens, the answer precedes what follows from it.
      this.#session.reply(integerReply(channel.listeners));
      publisher.heardHere(frame);
      return true;
    }
    this.#requests.block();
    frame.settle = (outcome) => this.#settled(frame, outcome);
    publisher.heardHere(frame);
    return true;
  }

  /** The room of one user that the frame just named is for, on the channel that everybody hears. */
  #roomOf(channel: OutboundChannel, payload: Buffer, now: number): OutboundRoom | undefined {
    const { roomAt, roomEnd } = frameName;
    if (roomEnd === 0 || !channel.name.equals(SHARED_CHANNEL)) return undefined;
    return channel.room(payload.subarray(roomAt, roomEnd), now);
  }

  #settled(frame: OutboundFrame, outcome: PublishOutcome): void {
    if (this.#session.closed) return;
    if (outcome.kind === "sent") {
      this.#session.reply(integerReply(outcome.listeners));
      // Before the connection's next request is read, which may be the next frame.
      this.#context.publisher.published(frame);
    } else if (outcome.kind === "failed") {
      this.#session.reply(errorReply(`ERR ${outcome.error}`));
    } else {
      // Refused to the trunk: the app asks itself, and gets the server's own words.
      this.#requests.pass(1);
    }
    // Once all of the batch has been settled: what this connection says next comes behind it, here as elsewhere.
    process.nextTick(() => this.#session.closed || this.#requests.unblock());
  }

  #pass(): boolean {
    this.#requests.pass(1);
    return true;
  }

  #refuse(error: string): boolean {
    this.#session.reply(errorReply(error));
    return true;
  }
}
