'use strict';
// The event bus: `pmx events --json --logs`, each line an event.

const {EventEmitter} = require('events');
const {PmxError, plainWords} = require('./program');

const escape = (text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');

// Names of events may have `*`: what stands there comes before the event, as in on('log:*', (stream, event) => ...).
class Bus extends EventEmitter {
  constructor(lines, end) {
    super();
    this.close = end;
    this.patterns = new Map(); // by name
    this.on('removeListener', (name) => {
      if (this.listenerCount(name) === 0) this.patterns.delete(name);
    });
    this.on('newListener', (name) => {
      if (typeof name === 'string' && name.includes('*')) this.patterns.set(name, new RegExp(`^${name.split('*').map(escape).join('(.+)')}$`));
      // What comes before anybody can listen waits for the first who does, and all that he asks for in the same turn.
      if (name !== 'close') setImmediate(() => lines.resume((line) => this.deliver(line)));
    });
  }

  deliver(line) {
    const {type, ...event} = eventIn(line);
    if (type !== 'error') this.emit(type, event); // by an app's message: nobody would catch it
    for (const [name, pattern] of this.patterns) {
      const found = pattern.exec(type);
      if (found) this.emit(name, ...found.slice(1), event);
    }
  }
}

function eventIn(line) {
  try {
    return JSON.parse(line);
  } catch (cause) {
    return {type: 'bus:missed', count: 1, reason: cause.message};
  }
}

// The lines of a stream, one at a time, when they are asked for; so the one who writes them is held up.
class Lines {
  constructor(stream) {
    this.stream = stream;
    this.lines = [];
    this.pieces = [];
    this.take = undefined;
    stream.on('data', (piece) => this.split(piece));
  }

  split(piece) {
    let start = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      this.pieces.push(piece.slice(start, end));
      this.lines.push(Buffer.concat(this.pieces).toString());
      this.pieces = [];
      start = end + 1;
    }
    if (start < piece.length) this.pieces.push(piece.slice(start));
    this.hand();
  }

  hand() {
    while (this.take && this.lines.length > 0) this.take(this.lines.shift());
    if (!this.take) this.stream.pause();
  }

  resume(take) {
    this.take = take;
    this.stream.resume();
    this.hand();
  }

  pause() {
    this.take = undefined;
  }
}

// A promise of a bus that has begun: what happens from now on is told.
function openBus(program) {
  const child = program.stream(['events', '--json', '--logs', '--no-color']);
  const lines = new Lines(child.stdout);
  let words = '';
  child.stderr.on('data', (piece) => {
    words = (words + piece).slice(-4096);
  });
  return new Promise((resolve, reject) => {
    const bus = new Bus(lines, () => child.kill());
    child.on('error', (cause) => reject(program.cannotRun(cause)));
    child.on('exit', (code) => {
      reject(new PmxError(plainWords(words) || 'the bus has ended', {exitCode: code, code: 'unavailable'})); // unless it had begun
      child.stdout.destroy();
      bus.emit('close');
    });
    // The first line is bus:ready.
    lines.resume(() => {
      lines.pause();
      resolve(bus);
    });
  });
}

module.exports = {openBus};
