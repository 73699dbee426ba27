// Loaded into Node cluster workers with --require. Does nothing until pmx retires the worker; then open keep-alive connections end
// politely: each gets "Connection: close" with its next response, an idle one may carry one more request before it is cut.
// For an app that waits for a message ("shutdown") the channel is kept open when all is done, and pmx is told instead.
'use strict';

const graceForIdleConnections = 2000; // ms: a request may be on its way

function drain() {
  const http = require('http');
  const { writeHead } = http.ServerResponse.prototype;
  http.ServerResponse.prototype.writeHead = function (...args) {
    if (!this.headersSent) this.setHeader('Connection', 'close');
    return writeHead.apply(this, args);
  };
  for (const { prototype } of [http.Server, require('https').Server]) {
    const { closeIdleConnections } = prototype; // absent before Node 18.2; called by close() from 19 on
    if (!closeIdleConnections) continue;
    prototype.closeIdleConnections = function () {
      setTimeout(() => closeIdleConnections.call(this), graceForIdleConnections).unref();
    };
  }
}

function keepChannel() {
  const { disconnect } = process; // called by Node when the last connection of the last server is gone
  process.disconnect = () => send.call(process, { cmd: 'NODE_PMX', act: 'drained' });
  process.prependListener('message', function onMessage(message) {
    if (message !== 'shutdown') return;
    process.removeListener('message', onMessage);
    process.disconnect = disconnect;
  });
}

const { send } = process;
const ownListeners = process.listenerCount('message'); // of Node's cluster module

function hearsMessages() {
  const { worker } = require('cluster');
  return process.listenerCount('message') > ownListeners || (worker && worker.listenerCount('message') > 0);
}

if (send) {
  process.on('internalMessage', function onMessage(message) {
    if (!message || message.cmd !== 'NODE_PMX' || message.act !== 'drain') return;
    process.removeListener('internalMessage', onMessage);
    drain();
    if (message.keepChannel && hearsMessages()) keepChannel();
  });
}
