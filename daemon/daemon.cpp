#include "daemon/daemon.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/sys/child_limits.h"
#include "common/sys/proc_fs.h"
#include "common/sys/unix_socket.h"
#include "daemon/cluster/listen_door.h"
#include "daemon/cluster/node_channels.h"
#include "daemon/cluster/seccomp_door.h"
#include "daemon/control/control_server.h"
#include "daemon/home.h"
#include "daemon/keeper/wire.h"
#include "daemon/os/clone_spawner.h"
#include "daemon/os/home_watch.h"
#include "daemon/os/keeper_link.h"
#include "daemon/os/keeper_replacement.h"
#include "daemon/os/keeper_slots.h"
#include "daemon/os/listener_store.h"
#include "daemon/os/notify_reader.h"
#include "daemon/os/procfs_process_table.h"
#include "daemon/os/run_cgroups.h"
#include "daemon/os/socket_prober.h"
#include "daemon/os/splice_log_sink.h"
#include "daemon/os/sqlite_store.h"
#include "daemon/os/system_clock.h"
#include "daemon/os/timerfd_wall_timer.h"
#include "daemon/os/tree_watch_thread.h"
#include "daemon/os/uuid.h"
#include "daemon/os/zone_file.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/task_group.h"
#include "daemon/worker_command.h"

namespace pmx {
namespace {

constexpr int kDoorBacklog = 1024;
// Any code but kExitShutdown and kExitRefused: started again.
constexpr int kExitToStartAgain = 75;

// One line in pmx.log, which is our stderr.
void log_line(const std::string& text) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const std::string line =
      fmt::format("{:%Y-%m-%dT%H:%M:%S} pmxd: {}\n", fmt::localtime(seconds), text);
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

KeeperCommand keeper_command(const DaemonOptions& options) {
  return {options.own_directory + "/pmx-keeper", options.own_directory + "/pmxd",
          options.paths.home()};
}

mode_t present_umask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

// For those who want their processes where they are.
bool wants_cgroups() {
  const char* const wish = std::getenv("PMX_CGROUP");
  return wish == nullptr || std::string_view(wish) != "off";
}

// Whose members may command this daemon, beside its own user and root: the system's instance has one.
std::optional<gid_t> control_group() {
  const char* const name = std::getenv("PMX_CONTROL_GROUP");
  if (name == nullptr || name[0] == '\0') return std::nullopt;
  const std::optional<gid_t> group = sys::find_group(name);
  if (!group) log_line(fmt::format("PMX_CONTROL_GROUP: there is no group {}", name));
  return group;
}

// What an app gets that has no wish of its own: it must not be spared with us when memory runs out.
std::optional<int> oom_score_adj_of_apps() {
  int own = 0;
  std::ifstream("/proc/self/oom_score_adj") >> own;
  return own < 0 ? std::optional<int>(0) : std::nullopt;
}

// Its members are declared in the order of need: destroyed in reverse.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options)
      : options_(std::move(options)),
        home_(options_.paths),
        keeper_pid_(::getppid()),
        link_(io_, std::move(options_.link)),
        store_(options_.paths.database(), poster(), log_line,
               [this](UniqueFd file) { keep_unwritten(std::move(file)); }),
        logs_(poster(), sayer(),
              [this](int pm_id, const std::string& problem, std::uint64_t dropped) {
                if (supervisor_) supervisor_->log_trouble(pm_id, problem, dropped);
              }),
        cgroups_(options_.paths.home(), wants_cgroups()),
        spawner_(io_, link_, cgroups_,
                 {options_.open_files, present_umask(), oom_score_adj_of_apps()}),
        sockets_(link_,
                 [this](std::uint64_t app_id, const std::string& key) {
                   channels_.handout().attendance_changed(app_id, key);
                 }),
        channels_(io_, sockets_.listeners()),
        binds_(io_, sockets_.listeners(), bind_events()),
        notifies_(io_),
        prober_(io_, sockets_.listeners()),
        processes_(io_, clock_, keeper_pid_, cgroups_),
        files_(poster()),
        tasks_(io_, [](const std::string& task,
                       const std::string& what) { log_line(fmt::format("{}: {}", task, what)); }),
        signals_(io_, SIGTERM, SIGINT, SIGUSR2),
        watch_(io_, options_.paths.home(), home_.names(), [this] { restore_home(); }) {}

  int run() {
    if (!home_.drain_script_error().empty()) log_line(home_.drain_script_error());
    link_.load();
    sockets_.restore();
    if (const auto* unwritten = link_.find(kUnwrittenSlot); unwritten && !unwritten->fds.empty())
      store_.take_unwritten(unwritten->fds.front().get());
    const StoredState state = store_.load();
    supervisor_ = std::make_unique<Supervisor>(ports());
    open_door();  // before recovery starts anything that asks there
    supervisor_->recover(state, spawner_.adopt(keeper_pid_));
    link_.start(
        {.on_exit = [this](std::uint64_t slot,
                           const keeper::ExitRecord& record) { spawner_.exited(slot, record); },
         .on_lost = [this] { keeper_lost(); }});
    context_ = std::make_unique<ControlContext>(
        ControlContext{io_, *supervisor_, logs_, keeper_pid_, options_.paths.log(),
                       [this] { end(); }, sayer(), [this] { mirror_to_unit(); }});
    server_ = std::make_unique<ControlServer>(io_, home_.listen(group_), *context_, group_);
    server_->start();
    watch_home();
    signals_.add(SIGUSR1);
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

  void keep_unwritten(UniqueFd file) {
    if (!file) {
      link_.drop(kUnwrittenSlot);
      return;
    }
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(file));
    link_.store_fds(kUnwrittenSlot, std::move(fds), "");
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
            .binds = binds_,
            .notifies = notifies_,
            .prober = prober_,
            .processes = processes_,
            .files = files_,
            .home = paths.home(),
            .preload_library = preload_library(),
            .listen_socket = paths.listen_socket(),
            .boot_id = sys::boot_id(),
            .paths =
                [paths](const AppSpec& spec, int pm_id) {
                  return InstancePaths{paths.out_log(spec, pm_id), paths.error_log(spec, pm_id),
                                       paths.combined_log(spec, pm_id), paths.pid_of(spec, pm_id)};
                },
            .new_unique_id = new_uuid,
            .command =
                [this](const AppSpec& spec, int number) {
                  return command_of_worker(spec, number, home_.drain_script());
                },
            .time_zone =
                [](const std::string& name) {
                  if (!name.empty()) return TimeZone::parse(name, read_zone_file(name));
                  const auto local = read_local_zone_file();
                  return local ? TimeZone::parse("local time", *local) : TimeZone();
                },
            .wall_timer =
                [this](std::function<void()> on_time) {
                  return std::make_unique<TimerfdWallTimer>(io_, std::move(on_time));
                },
            .log = sayer()};
  }

  std::function<void(const std::string&)> sayer() {
    return [this](const std::string& text) { say(text); };
  }

  // Our own log is bounded, too.
  void say(const std::string& text) {
    log_line(text);
    if (shortening_log_ || !home_.log_is_long()) return;
    shortening_log_ = true;
    logs_.run([this, path = options_.paths.log()] {
      const int error = Home::shorten_log(path);
      asio::post(io_, [this, error] {
        shortening_log_ = false;
        log_line(error == 0 ? "this log has become long: what was before is in pmx.log.1"
                            : fmt::format("this log had become long and was emptied: {}",
                                          std::strerror(error)));
      });
    });
  }

  std::string preload_library() {
    std::string path = find_preload_library(options_.own_directory);
    if (path.empty()) log_line("libpmx-listen.so is not installed: only Node apps share ports");
    return path;
  }

  void open_door() {
    ListenDoor::Events events;
    events.who = [this](const std::string& token) -> std::optional<ListenDoor::Caller> {
      const auto asker = supervisor_->asker(token);
      if (!asker) return std::nullopt;
      return ListenDoor::Caller{asker->app_id, asker->run, asker->balance};
    };
    events.on_listening = [this](const ListenDoor::Caller& caller) {
      supervisor_->now_listens(caller.run);
    };
    events.on_problem = [this](const ListenDoor::Caller& caller, const std::string& text) {
      supervisor_->socket_problem(caller.run, text);
    };
    door_ = std::make_unique<ListenDoor>(
        io_, sys::listen_unix(options_.paths.listen_socket(), kDoorBacklog, SOCK_SEQPACKET),
        sockets_.listeners(), std::move(events));
    door_->start();
  }

  SeccompDoor::Events bind_events() {
    return {
        .who = [this](RunId run, int port) -> std::optional<BindCaller> {
          const auto asker = supervisor_->asker(run, port);
          if (!asker) return std::nullopt;
          return BindCaller{asker->app_id, asker->run, asker->balance};
        },
        .on_listening = [this](RunId run) { supervisor_->now_listens(run); },
        .on_problem = [this](RunId run,
                             const std::string& text) { supervisor_->socket_problem(run, text); }};
  }

  void wait_for_signal() {
    signals_.async_wait([this](const std::error_code& error, int number) {
      if (error) return;
      if (number == SIGUSR2) {
        logs_.reopen([] {});
        wait_for_signal();
        return;
      }
      if (number == SIGUSR1) {
        make_room();
        wait_for_signal();
        return;
      }
      if (std::exchange(ending_, true)) return;
      log_line("asked to end: stopping every app; they start again with the next daemon");
      tasks_.spawn("shutdown", shut_down());
      wait_for_signal();
    });
  }

  void watch_home() {
    const std::string why = watch_.watch();
    if (why.empty()) return;
    log_line(
        fmt::format("{} is not watched ({}): if it is removed, `kill -TERM {}` ends this daemon",
                    options_.paths.home(), why, ::getpid()));
  }

  // The home, or a part of it, was removed under us. The apps do not depend on it; being found does.
  void restore_home() {
    if (ending_) return;
    try {
      const std::vector<std::string> missing = home_.missing();
      if (missing.empty() && store_.has_its_file()) return;
      make_home_again(missing);
    } catch (const std::exception& error) {
      const std::string told_before = std::exchange(home_trouble_, error.what());
      if (home_trouble_ != told_before)
        log_line(fmt::format("{}; apps run on, it is tried again every 5 s", error.what()));
      watch_.again_later();
    }
  }

  void make_home_again(const std::vector<std::string>& missing) {
    const std::string& home = options_.paths.home();
    home_.make_again();
    watch_home();
    if (!home_.take_lock()) {
      const std::string what = fmt::format("another daemon has taken {}", home);
      // It has read our list and found our processes: two must not look after the same ones.
      if (store_.has_its_file()) {
        log_line(what + ", with everything in it; this one leaves the apps to it and ends");
        ::_exit(keeper::kExitRefused);
      }
      // It has a list of its own: nobody but us knows these apps.
      throw Error(ErrorCode::already_running,
                  fmt::format("{}; until that ends nothing but `kill -TERM {}` reaches this one, "
                              "which stops its apps",
                              what, ::getpid()));
    }
    open_door();
    // A client may just have connected to one that is still there.
    if (!home_.has_socket()) server_->replace_listener(home_.listen(group_));
    store_.renew();
    supervisor_->record_all();
    logs_.reopen([] {});
    home_trouble_.clear();
    const bool all = missing.size() == 1 && missing.front().empty();
    log_line(fmt::format(
        "{} was removed: made again with the present state; apps run on",
        all || missing.empty() ? home : fmt::format("{} in {}", fmt::join(missing, ", "), home)));
  }

  awaitable<void> shut_down() {
    co_await supervisor_->shut_down(false);
    end();
  }

  // Runs out of work from here: io_.run() returns.
  void end() {
    ending_ = true;
    watch_.stop();
    home_.leave();
    server_->stop();
    signals_.cancel();
    tasks_.spawn("last", finish());
  }

  awaitable<void> finish() {
    co_await server_->join();
    io_.stop();
  }

  // `pmx update`: the keeper starts the daemon that is installed now. SIGUSR1 because without this
  // handler its default does nearly the same: an older daemon is replaced by it too.
  void make_room() {
    if (ending_) return;
    log_line("asked to make room for another daemon");
    store_.commit([this] {
      home_.hand_over();
      ::_exit(kExitToStartAgain);
    });
  }

  void mirror_to_unit() {
    const std::string path = options_.paths.unit_socket();
    try {
      link_.mirror_to(sys::connect_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK));
    } catch (const std::system_error& error) {
      throw Error(ErrorCode::unavailable, error.what(),
                  "this is asked for by the main process of a systemd unit, `pmx unit run`");
    }
  }

  void keeper_lost() {
    log_line("the keeper has died; starting another one");
    store_.commit([this] {
      if (!replace_keeper(link_.slots(), keeper_command(options_))) {
        log_line(
            "no new keeper could be started; apps run on, their exits cannot be seen until `pmx` "
            "starts a daemon again");
        return;
      }
      // From here on like after any crash: the new keeper starts the next daemon, which adopts
      // everything.
      home_.hand_over();
      ::_exit(kExitToStartAgain);
    });
  }

  DaemonOptions options_;
  Home home_;
  int keeper_pid_;
  asio::io_context io_{1};
  SystemClock clock_;
  KeeperLink link_;
  SqliteStore store_;
  SpliceLogSink logs_;
  RunCgroups cgroups_;
  CloneSpawner spawner_;
  ListenerStore sockets_;
  NodeChannels channels_;
  SeccompDoor binds_;
  NotifyReader notifies_;
  SocketProber prober_;
  ProcfsProcessTable processes_;
  TreeWatchThread files_;
  TaskGroup tasks_;
  asio::signal_set signals_;
  HomeWatch watch_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<ListenDoor> door_;
  std::unique_ptr<ControlContext> context_;
  const std::optional<gid_t> group_ = control_group();
  std::unique_ptr<ControlServer> server_;
  bool ending_ = false;
  bool shortening_log_ = false;
  std::string home_trouble_;  // why the home could not be made again; as told
};

}  // namespace

bool restore_keeper(const DaemonOptions& options, std::vector<NamedFd> stored) {
  const std::size_t count = stored.size();
  const KeeperSlots slots = mirrored_slots(std::move(stored));
  log_line(fmt::format("the descriptors of an earlier keeper ({}) go to a new one: {} slots", count,
                       slots.size()));
  return replace_keeper(slots, keeper_command(options));
}

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
