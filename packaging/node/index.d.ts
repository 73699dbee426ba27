// pmx from Node, with the names of pm2's programmatic API.
import {EventEmitter} from 'events';

declare namespace pmx {
  type Target = string | number;
  // As in a configuration file: pmx-ecosystem(5), or the JSON Schema that pmx prints (`pmx schema`).
  interface App {
    script?: string;
    name?: string;
    args?: string | string[];
    cwd?: string;
    interpreter?: string;
    instances?: number | string;
    exec_mode?: 'fork' | 'cluster';
    env?: Record<string, string | number | boolean | {file: string}>;
    [key: string]: unknown;
  }
  type Apps = App | App[] | {apps: App[]};

  interface FileOptions {
    env?: string; // env_<name> of the file
    only?: string | string[];
    updateEnv?: boolean;
    force?: boolean;
    parallel?: number;
  }

  // An entry of `pmx jlist`.
  interface Entry {
    pid?: number;
    name: string;
    pm_id: number;
    monit: {memory: number; cpu: number};
    pm2_env: {status: string; restart_time: number; namespace: string; [key: string]: any};
  }
  interface Acted extends Entry {
    namespace: string;
    status: string;
    restart_time: number;
  }

  interface Packet {
    id?: number;
    type?: string;
    topic: string | boolean;
    data: unknown;
  }
  interface Answer {
    pm_id: number;
    name: string;
    namespace: string;
    json?: unknown; // what the action has returned
    error?: string;
  }

  interface BusProcess {
    pm_id: number | 'PM2';
    name: string;
    namespace: string;
    [key: string]: any;
  }
  interface BusEvent {
    at?: number; // milliseconds
    process?: BusProcess;
    event?: string; // of process:event
    manually?: boolean;
    reason?: string;
    raw?: any; // of process:msg
    data?: any; // of log:out, log:err, log:PM2 and of an app's own types
    count?: number; // of bus:missed
  }
  // Besides pm2's events: bus:lost (the daemon is gone), bus:ready (it is there again), bus:missed, close.
  interface Bus extends EventEmitter {
    on(name: string | symbol, listener: (...args: any[]) => void): this;
    close(): void;
  }

  // `code`: kind of error ("not_found", "busy", ...), "usage" or "failed"; `exitCode`: that of the command.
  interface PmxError extends Error {
    code: string;
    exitCode: number;
    hint: string;
    errors: Array<{kind: string; message: string; hint: string}>;
  }

  interface CustomOptions {
    pm2_home?: string;
    cwd?: string;
    independent?: boolean;
    daemon_mode?: boolean;
  }

  type Callback<T> = (error: Error | null, result?: T) => void;

  interface Pmx {
    readonly custom: new (options?: CustomOptions) => Pmx;
    readonly PmxError: new (message: string) => PmxError;

    connect(noDaemon?: boolean): Promise<{new_pm2_instance: boolean}>;
    connect(noDaemon: boolean, callback: Callback<unknown>): void;
    connect(callback: Callback<unknown>): void;
    disconnect(): Promise<{success: true}>;
    disconnect(callback: Callback<unknown>): void;
    killDaemon(): Promise<{success: true}>;
    killDaemon(callback: Callback<unknown>): void;
    kill(): Promise<{success: true}>;
    kill(callback: Callback<unknown>): void;
    ping(): Promise<{version: string; protocol: number; daemon_pid: number; keeper_pid: number}>;
    ping(callback: Callback<unknown>): void;
    getVersion(): Promise<string>;
    getVersion(callback: Callback<string>): void;

    start(target: Target | Apps, options?: FileOptions | App): Promise<Acted[]>;
    start(target: Target | Apps, callback: Callback<Acted[]>): void;
    start(target: Target | Apps, options: FileOptions | App, callback: Callback<Acted[]>): void;
    stop(target: Target | Target[] | Apps, options?: FileOptions): Promise<Acted[]>;
    stop(target: Target | Target[] | Apps, callback: Callback<Acted[]>): void;
    restart(target: Target | Target[] | Apps, options?: FileOptions): Promise<Acted[]>;
    restart(target: Target | Target[] | Apps, callback: Callback<Acted[]>): void;
    restart(target: Target | Target[] | Apps, options: FileOptions, callback: Callback<Acted[]>): void;
    reload(target: Target | Target[] | Apps, options?: FileOptions): Promise<Acted[]>;
    reload(target: Target | Target[] | Apps, callback: Callback<Acted[]>): void;
    reload(target: Target | Target[] | Apps, options: FileOptions, callback: Callback<Acted[]>): void;
    gracefulReload: Pmx['reload'];
    delete(target: Target | Target[] | Apps, options?: FileOptions): Promise<Acted[]>;
    delete(target: Target | Target[] | Apps, callback: Callback<Acted[]>): void;
    reset(target: Target | Target[]): Promise<Acted[]>;
    reset(target: Target | Target[], callback: Callback<Acted[]>): void;
    scale(name: string, count: number | string): Promise<Entry[]>;
    scale(name: string, count: number | string, callback: Callback<Entry[]>): void;

    list(): Promise<Entry[]>;
    list(callback: Callback<Entry[]>): void;
    describe(target: Target): Promise<Entry[]>;
    describe(target: Target, callback: Callback<Entry[]>): void;
    getProcessIdByName(name: string): Promise<number[]>;
    getProcessIdByName(name: string, callback: Callback<number[]>): void;
    getPID(name?: string): Promise<number[]>;
    getPID(name: string, callback: Callback<number[]>): void;
    env(id: Target): Promise<Record<string, string>>;
    env(id: Target, callback: Callback<Record<string, string>>): void;

    sendSignalToProcessName(signal: string | number, name: Target): Promise<Acted[]>;
    sendSignalToProcessName(signal: string | number, name: Target, callback: Callback<Acted[]>): void;
    sendSignalToProcessId(signal: string | number, id: Target): Promise<Acted[]>;
    sendSignalToProcessId(signal: string | number, id: Target, callback: Callback<Acted[]>): void;
    sendDataToProcessId(id: number, packet: Packet): Promise<{success: true; data: Packet}>;
    sendDataToProcessId(id: number, packet: Packet, callback: Callback<unknown>): void;
    sendDataToProcessId(packet: Packet & {id: number}): Promise<{success: true; data: Packet}>;
    sendDataToProcessId(packet: Packet & {id: number}, callback: Callback<unknown>): void;
    sendLineToStdin(id: Target, line: string, separator?: string): Promise<unknown>;
    sendLineToStdin(id: Target, line: string, callback: Callback<unknown>): void;
    trigger(target: Target, action: string, parameter?: unknown): Promise<Answer[]>;
    trigger(target: Target, action: string, callback: Callback<Answer[]>): void;
    trigger(target: Target, action: string, parameter: unknown, callback: Callback<Answer[]>): void;

    launchBus(): Promise<Bus>;
    launchBus(callback: Callback<Bus>): void;
    disconnectBus(): Promise<void>;
    disconnectBus(callback: Callback<void>): void;

    dump(force?: boolean): Promise<{success: true}>;
    dump(callback: Callback<unknown>): void;
    resurrect(): Promise<Entry[]>;
    resurrect(callback: Callback<Entry[]>): void;
    flush(target?: Target): Promise<Entry[]>;
    flush(callback: Callback<Entry[]>): void;
    flush(target: Target, callback: Callback<Entry[]>): void;
    reloadLogs(): Promise<{success: true}>;
    reloadLogs(callback: Callback<unknown>): void;
    startup(platform?: string, options?: {user?: string}): Promise<{output: string}>;
    startup(platform: string, callback: Callback<{output: string}>): void;
    unstartup(platform?: string): Promise<{output: string}>;
    unstartup(platform: string, callback: Callback<{output: string}>): void;
    serve(directory?: string, port?: number, options?: {name?: string; spa?: boolean}): Promise<Acted[]>;
    serve(directory: string, port: number, options: {name?: string; spa?: boolean}, callback: Callback<Acted[]>): void;
    get(key?: string): Promise<{output: string}>;
    set(key: string, value: unknown): Promise<{output?: string}>;
    unset(key: string): Promise<{output?: string}>;
    multiset(settings: string): Promise<{output?: string}>;
  }
}

declare const pmx: pmx.Pmx;
export = pmx;
