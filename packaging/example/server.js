// A plain Node http server: nothing in it knows about pmx. It says which worker answered.
'use strict';

const cluster = require('node:cluster');
const http = require('node:http');

const who = cluster.isWorker ? `worker ${cluster.worker.id}` : 'single process';
const port = Number(process.env.PORT || 8080);

// Some work per request, as a page that is rendered would cost: it keeps one core busy for a few milliseconds.
function work() {
  let sum = 0;
  for (let i = 0; i < 2e6; i++) sum += Math.sqrt(i);
  return sum;
}

http.createServer((request, response) => {
  work();
  response.end(`${who}, pid ${process.pid}\n`);
}).listen(port, '127.0.0.1', () => {
  console.log(`${who} (pid ${process.pid}) is listening on port ${port}`);
});
