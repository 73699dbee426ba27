// Sends requests to the example server, eight at a time, each on a connection of its own, and counts who answered.
// Usage: node requests.js URL [COUNT]. Without COUNT it goes on until SIGTERM. Exit code 1 if any request failed.
'use strict';

const http = require('node:http');

const url = process.argv[2];
let left = process.argv[3] ? Number(process.argv[3]) : Infinity;
const answers = new Map();
const failures = [];

function request() {
  return new Promise((resolve) => {
    const failed = (error) => {
      failures.push(error.code || error.message);
      resolve();
    };
    http.get(url, {agent: false, timeout: 10000}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => text += chunk);
      response.on('error', failed);
      response.on('end', () => {
        const who = text.trim();
        answers.set(who, (answers.get(who) || 0) + 1);
        resolve();
      });
    }).on('timeout', function() { this.destroy(new Error('no answer in 10 s')); }).on('error', failed);
  });
}

async function client() {
  while (left-- > 0) await request();
}

process.on('SIGTERM', () => left = 0);

Promise.all(Array.from({length: 8}, client)).then(() => {
  let total = failures.length;
  for (const [who, count] of [...answers].sort()) {
    total += count;
    console.log(`    ${String(count).padStart(6)} answered by ${who}`);
  }
  console.log(`    ${total} requests, ${failures.length} failed ${[...new Set(failures)].join(' ')}`.trimEnd());
  process.exitCode = failures.length ? 1 : 0;
});
