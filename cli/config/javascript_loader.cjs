// Evaluates a configuration file (its path is the argument) and writes one JSON object to descriptor 3: {"value": what it exports}
// or {"message": ..., "file": ..., "line": ...}. What the file prints is none of this.
'use strict';

const { spawnSync } = require('child_process');
const { writeSync } = require('fs');
const { fileURLToPath, pathToFileURL } = require('url');

const resultDescriptor = 3;
const deepest = 100;
const file = process.argv[1];

function answer(result) {
  const bytes = Buffer.from(JSON.stringify(result));
  for (let at = 0; at < bytes.length;) at += writeSync(resultDescriptor, bytes, at);
  process.exit(0); // whatever timers and servers the file has left
}

// Throws where JSON would drop or change something without a word.
function check(value, path, depth) {
  const refuse = (what) => {
    const place = path.length > 60 ? `${path.slice(0, 60)}...` : path || 'the export';
    throw Object.assign(new Error(`${place} is ${what}`), { stack: '' });
  };
  if (depth > deepest) refuse(`nested more than ${deepest} deep, or holds itself`);
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) refuse('a text with half a character (surrogate)');
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(`${value}, no number of JSON`);
  if (['function', 'symbol', 'bigint'].includes(typeof value)) refuse(`a ${typeof value}; only data can be configured`);
  if (typeof value !== 'object' || value === null || typeof value.toJSON === 'function') return;
  if (value instanceof RegExp || value instanceof Map || value instanceof Set || value instanceof Promise) {
    refuse(`a ${value.constructor.name}; only plain data can be configured`);
  }
  for (const [key, member] of Object.entries(value)) {
    check(member, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key, depth + 1);
  }
}

async function settle(value) {
  let settled = await value;
  while (typeof settled === 'function') settled = await settled();
  return settled;
}

async function load() {
  const loaded = await import(pathToFileURL(file));
  let value = await settle('default' in loaded ? loaded.default : { ...loaded });
  // Of a compiler that writes CommonJS.
  if (value && value.__esModule && value.default !== undefined) value = await settle(value.default);
  if (value && typeof value === 'object' && !Array.isArray(value) && typeof value.apps !== 'undefined') {
    value = { ...value, apps: await settle(value.apps) };
  }
  return value;
}

function splitPlace(text) {
  const found = /(file:\/\/)?(\/[^()\n]*?):(\d+)(?::\d+)?\)?$/.exec(text);
  if (!found) return undefined;
  return { file: found[1] ? fileURLToPath(found[1] + found[2]) : found[2], line: Number(found[3]) };
}

// Where an exception comes from: its first frame in a file.
function placeOf(error) {
  if (error instanceof SyntaxError) {
    const [head] = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 3000 }).stderr.split('\n', 1);
    if (splitPlace(head)) return splitPlace(head);
  }
  for (const line of String((error && error.stack) || '').split('\n')) {
    const place = splitPlace(line);
    if (place) return place;
  }
  return {};
}

load().then(
  (value) => {
    check(value, '', 0);
    answer({ value: value === undefined ? null : value });
  }).catch((error) => {
  const isError = error instanceof Error;
  const message = isError ? (error.stack ? `${error.name}: ${error.message}` : error.message) : `it throws ${String(error)}`;
  answer({ message, ...placeOf(error) });
});
