// Loaded into Node cluster workers with --require. Does nothing until pmx retires the worker; then open keep-alive connections end
// politely: each gets "Connection: close" with its next response, an idle one may carry one more request before it is cut.
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

if (process.send) {
  process.on('internalMessage', function onMessage(message) {
    if (!message || message.cmd !== 'NODE_PMX' || message.act !== 'drain') return;
    process.removeListener('internalMessage', onMessage);
    drain();
  });
}
