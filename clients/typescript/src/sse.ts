/**
 * The event stream format of the HTML standard, fed with bytes as they come: cut anywhere, with CR, LF or CRLF, a byte order
 * mark, comments, data on several lines. A letter cut in two waits for its second half. A line or an event past the limit is an
 * error instead of memory without end.
 */

import { ProtocolError } from './errors.js';

export interface SseMessage {
    /** The `event:` field, `message` when there is none. */
    event: string;
    data: string;
    /** The last `id:` seen up to here, '' before the first. */
    id: string;
}

/** Characters of one event. The service's own events stay under 64 KB. */
export const MAX_EVENT_CHARS = 64 * 1024 * 1024;

export class SseParser {
    private readonly decoder = new TextDecoder('utf-8');
    private rest = '';
    private afterCr = false;
    private data: string | undefined;
    private eventName = '';
    private id = '';
    private size = 0;
    /** ms, from a `retry:` line. */
    retry: number | undefined;

    constructor(private readonly maxChars = MAX_EVENT_CHARS) {}

    /** The events that these bytes complete. An event is complete at its blank line; the end of the stream completes nothing. */
    push(bytes: Uint8Array): SseMessage[] {
        let text = this.decoder.decode(bytes, { stream: true });
        const messages: SseMessage[] = [];
        if (text === '') return messages;
        if (this.afterCr && text.charCodeAt(0) === 10) text = text.slice(1);
        this.afterCr = text === '' ? false : text.charCodeAt(text.length - 1) === 13;
        this.lines(text, messages);
        return messages;
    }

    private lines(text: string, messages: SseMessage[]): void {
        let start = 0;
        let lf = text.indexOf('\n');
        let cr = text.indexOf('\r');
        while (lf !== -1 || cr !== -1) {
            const atCr = cr !== -1 && (lf === -1 || cr < lf);
            const end = atCr ? cr : lf;
            this.line(this.rest + text.slice(start, end), messages);
            this.rest = '';
            start = atCr && lf === cr + 1 ? end + 2 : end + 1;
            if (lf !== -1 && lf < start) lf = text.indexOf('\n', start);
            if (cr !== -1 && cr < start) cr = text.indexOf('\r', start);
        }
        this.rest += text.slice(start);
        this.bound(this.rest.length);
    }

    private bound(more: number): void {
        if (this.size + more > this.maxChars) throw new ProtocolError(`An event is longer than ${this.maxChars} characters`);
    }

    private line(line: string, messages: SseMessage[]): void {
        if (line === '') return this.dispatch(messages);
        this.bound(line.length);
        const colon = line.indexOf(':');
        if (colon === 0) return;
        if (colon === -1) return this.field(line, '');
        this.field(line.slice(0, colon), line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1));
    }

    private field(name: string, value: string): void {
        if (name === 'data') {
            this.data = this.data === undefined ? value : `${this.data}\n${value}`;
            this.size = this.data.length;
        } else if (name === 'event') {
            this.eventName = value;
        } else if (name === 'id') {
            if (!value.includes('\0')) this.id = value;
        } else if (name === 'retry') {
            if (/^\d+$/.test(value)) this.retry = Number(value);
        }
    }

    private dispatch(messages: SseMessage[]): void {
        if (this.data !== undefined) messages.push({ event: this.eventName || 'message', data: this.data, id: this.id });
        this.data = undefined;
        this.eventName = '';
        this.size = 0;
    }
}
