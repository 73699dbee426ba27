'use strict';
// Calls the program `pmx` and reads its --json answers. What pmx knows of files, targets and words is in the program alone.

const {spawn, spawnSync} = require('child_process');
const fs = require('fs');
const path = require('path');

class PmxError extends Error {
  // `code`: the kind of error, as on the control socket ("not_found", "busy", ...), "usage" or "failed".
  constructor(message, {code = 'failed', exitCode = 1, hint = '', errors = []} = {}) {
    super(message);
    this.name = 'PmxError';
    Object.assign(this, {code, exitCode, hint, errors});
  }
}

// Of what the program says to people.
const plainWords = (text) => text.trim().replace(/^\[PMX\](\[\w+\])? /gm, '');

// PMX_PROGRAM, the program that was installed with this file, or what the PATH has.
function findProgram(env) {
  if (env.PMX_PROGRAM) return env.PMX_PROGRAM;
  const beside = path.join(__dirname, '..', '..', '..', 'bin', 'pmx');
  return fs.existsSync(beside) ? beside : 'pmx';
}

class Program {
  // `home`: PMX_HOME; none: that of the environment.
  constructor({home, cwd} = {}) {
    this.home = home;
    this.cwd = cwd;
  }

  // The environment is looked at at each call, as apps get it.
  options() {
    const env = {...process.env};
    if (this.home) env.PMX_HOME = this.home;
    return {cwd: this.cwd, env};
  }

  cannotRun(cause) {
    return new PmxError(`cannot run ${findProgram(process.env)}: ${cause.message}`,
      {code: 'unavailable', exitCode: 7, hint: 'install pmx, or name the program in PMX_PROGRAM'});
  }

  stream(args) {
    const options = this.options();
    return spawn(findProgram(options.env), args, {...options, stdio: ['ignore', 'pipe', 'pipe']});
  }

  // A promise of {code, out, err}.
  run(args, input = '') {
    return new Promise((resolve, reject) => {
      const options = this.options();
      const child = spawn(findProgram(options.env), args, {...options, stdio: 'pipe'});
      const out = [];
      const err = [];
      child.stdout.on('data', (piece) => out.push(piece));
      child.stderr.on('data', (piece) => err.push(piece));
      child.on('error', (cause) => reject(this.cannotRun(cause)));
      child.on('close', (code) => resolve({code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString()}));
      child.stdin.on('error', () => {}); // it has ended without reading; its answer says why
      child.stdin.end(input);
    });
  }

  // The object of --json; rejects with what the program says went wrong.
  async ask(args, input) {
    const {code, out, err} = await this.run(['--json', '--no-color', ...args], input);
    let answer = {};
    try {
      answer = JSON.parse(out);
    } catch (cause) {
      if (code === 0) throw new PmxError(`pmx ${args[0]} does not answer in JSON: ${cause.message}`);
    }
    if (code === 0) return answer;
    const {errors = []} = answer;
    const [first = {}] = errors;
    throw new PmxError(errors.map((one) => one.message).join('; ') || plainWords(err) || `pmx ${args[0]} ended with code ${code}`,
      {code: first.kind, exitCode: code, hint: first.hint, errors});
  }

  async list() {
    return (await this.ask(['list'])).instances;
  }

  runSync(args) {
    const options = this.options();
    spawnSync(findProgram(options.env), args, {...options, stdio: 'ignore'});
  }
}

module.exports = {PmxError, Program, plainWords};
