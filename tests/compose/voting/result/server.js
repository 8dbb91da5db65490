require('http').createServer((q, s) => s.end('no votes yet')).listen(80);
