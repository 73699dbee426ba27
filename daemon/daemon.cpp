#include "daemon/daemon.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>

#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/config/launch.h"
#include "common/sys/file.h"
#include "common/sys/flock.h"
#include "common/sys/proc_fs.h"
#include "common/sys/unix_socket.h"
#include "daemon/cluster/node_channels.h"
#include "daemon/cluster/node_drain.h"
#include "daemon/control/control_server.h"
#include "daemon/keeper/wire.h"
#include "daemon/os/clone_spawner.h"
#include "daemon/os/keeper_link.h"
#include "daemon/os/keeper_replacement.h"
#include "daemon/os/listener_store.h"
#include "daemon/os/procfs_process_table.h"
#include "daemon/os/splice_log_sink.h"
#include "daemon/os/sqlite_store.h"
#include "daemon/os/system_clock.h"
#include "daemon/os/uuid.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/task_group.h"

namespace pmx {
namespace {

constexpr int kListenBacklog = 1024;
constexpr int kExitForNewKeeper = 75;  // any code but kExitShutdown and kExitRefused: started again

// One line in pmx.log, which is our stderr.
void log_line(const std::string& text) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const std::string line =
      fmt::format("{:%Y-%m-%dT%H:%M:%S} pmxd: {}\n", fmt::localtime(seconds), text);
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

sys::FileLock lock_home(const Paths& paths) {
  std::optional<sys::FileLock> lock = sys::FileLock::try_acquire(paths.pid_file());
  if (!lock)
    throw Error(ErrorCode::already_running, fmt::format("another daemon serves {}", paths.home()));
  lock->write(fmt::format("{}\n", ::getpid()));
  return std::move(*lock);
}

// A file that Node can load; "" if it cannot be written (reloads then cut busy keep-alive connections).
std::string write_drain_script(const Paths& paths) {
  const std::string path = paths.home() + "/node-drain.cjs";
  try {
    if (sys::read_file(path) != kNodeDrainScript) sys::replace_file(path, kNodeDrainScript, 0600);
    return path;
  } catch (const std::exception& error) {
    log_line(error.what());
    return {};
  }
}

std::pair<std::string, std::vector<std::string>> command_with_drain(const AppSpec& spec,
                                                                    const std::string& script) {
  auto command = command_of(spec);
  const auto wish = spec.env.find("PMX_DRAIN");
  const bool wanted = wish == spec.env.end() || wish->second != "off";
  if (spec.exec_mode == ExecMode::cluster && wanted && !script.empty()) {
    command.second.insert(command.second.begin() + 1, {"--require", script});
  }
  return command;
}

mode_t present_umask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

// Declared in the order of need: destroyed in reverse.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options)
      : options_(std::move(options)),
        lock_(lock_home(options_.paths)),
        drain_script_(write_drain_script(options_.paths)),
        keeper_pid_(::getppid()),
        link_(io_, std::move(options_.link)),
        store_(options_.paths.database(), poster(), log_line),
        logs_(poster(), log_line),
        spawner_(io_, link_, {options_.open_files, present_umask()}),
        sockets_(link_,
                 [this](std::uint64_t app_id, const std::string& key) {
                   channels_.handout().attendance_changed(app_id, key);
                 }),
        channels_(io_, sockets_.listeners()),
        processes_(io_, clock_, keeper_pid_),
        tasks_(io_, [](const std::string& task,
                       const std::string& what) { log_line(fmt::format("{}: {}", task, what)); }),
        signals_(io_, SIGTERM, SIGINT, SIGUSR2) {}

  int run() {
    link_.load();
    sockets_.restore();
    const StoredState state = store_.load();
    supervisor_ = std::make_unique<Supervisor>(ports());
    supervisor_->recover(state, spawner_.adopt(keeper_pid_));
    link_.start(
        {.on_exit = [this](std::uint64_t slot,
                           const keeper::ExitRecord& record) { spawner_.exited(slot, record); },
         .on_lost = [this] { keeper_lost(); }});
    context_ = std::make_unique<ControlContext>(ControlContext{
        io_, *supervisor_, logs_, keeper_pid_, options_.paths.log(), [this] { end(); }, log_line});
    server_ = std::make_unique<ControlServer>(
        io_, sys::listen_unix(options_.paths.socket(), kListenBacklog), *context_);
    server_->start();
    wait_for_signal();
    link_.ready();
    tell_starter("ready\n");
    log_line(fmt::format("pmx {} ready, {} instances", kVersion, supervisor_->all_ids().size()));
    io_.run();
    return keeper::kExitShutdown;
  }

  void tell_starter(const std::string& text) {
    if (options_.ready) (void)!::write(options_.ready.get(), text.data(), text.size());
    options_.ready.reset();
  }

 private:
  std::function<void(std::function<void()>)> poster() {
    return [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  }

  Ports ports() {
    const Paths& paths = options_.paths;
    return {.io = io_,
            .clock = clock_,
            .spawner = spawner_,
            .store = store_,
            .logs = logs_,
            .listeners = sockets_.listeners(),
            .channels = channels_,
            .processes = processes_,
            .home = paths.home(),
            .boot_id = sys::boot_id(),
            .paths =
                [paths](const AppSpec& spec, int pm_id) {
                  return InstancePaths{paths.out_log(spec, pm_id), paths.error_log(spec, pm_id),
                                       paths.pid_of(spec, pm_id)};
                },
            .new_unique_id = new_uuid,
            .command = [script = drain_script_](
                           const AppSpec& spec) { return command_with_drain(spec, script); },
            .log = log_line};
  }

  void wait_for_signal() {
    signals_.async_wait([this](const std::error_code& error, int number) {
      if (error) return;
      if (number == SIGUSR2) {
        logs_.reopen([] {});
        wait_for_signal();
        return;
      }
      if (std::exchange(ending_, true)) return;
      log_line("asked to end: stopping every app; they start again with the next daemon");
      tasks_.spawn("shutdown", shut_down());
      wait_for_signal();
    });
  }

  awaitable<void> shut_down() {
    co_await supervisor_->shut_down(false);
    end();
  }

  // Runs out of work from here: io_.run() returns.
  void end() {
    ::unlink(options_.paths.socket().c_str());
    ::unlink(options_.paths.pid_file().c_str());
    server_->stop();
    signals_.cancel();
    tasks_.spawn("last", finish());
  }

  awaitable<void> finish() {
    co_await server_->join();
    io_.stop();
  }

  void keeper_lost() {
    log_line("the keeper has died; starting another one");
    store_.commit([this] {
      const KeeperCommand command{options_.own_directory + "/pmx-keeper",
                                  options_.own_directory + "/pmxd", options_.paths.home()};
      if (!replace_keeper(link_, command)) {
        log_line(
            "no new keeper could be started; apps run on, their exits cannot be seen until `pmx` "
            "starts a daemon again");
        return;
      }
      // From here on like after any crash: the new keeper starts the next daemon, which adopts
      // everything.
      ::unlink(options_.paths.socket().c_str());
      lock_ = std::nullopt;
      ::_exit(kExitForNewKeeper);
    });
  }

  DaemonOptions options_;
  std::optional<sys::FileLock> lock_;
  std::string drain_script_;
  int keeper_pid_;
  asio::io_context io_{1};
  SystemClock clock_;
  KeeperLink link_;
  SqliteStore store_;
  SpliceLogSink logs_;
  CloneSpawner spawner_;
  ListenerStore sockets_;
  NodeChannels channels_;
  ProcfsProcessTable processes_;
  TaskGroup tasks_;
  asio::signal_set signals_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<ControlContext> context_;
  std::unique_ptr<ControlServer> server_;
  bool ending_ = false;
};

}  // namespace

int run_daemon(DaemonOptions options) {
  const UniqueFd ready(options.ready ? ::dup(options.ready.get()) : -1);
  try {
    Daemon daemon(std::move(options));
    return daemon.run();
  } catch (const std::exception& error) {
    const std::string text = fmt::format("error {}\n", error.what());
    if (ready) (void)!::write(ready.get(), text.data(), text.size());
    throw;
  }
}

}  // namespace pmx
