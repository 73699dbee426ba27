// The runtime's ports without an operating system: processes are entries in a map, their ends,
// channels and log drains come when the test says so. What the runtime does to them is kept in one
// journal, in order.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/model/signal_name.h"
#include "daemon/runtime/ports.h"

namespace pmx::test {

class FakeChannel;

struct FakeProcess {
  RunId run;
  std::string token;
  bool alive = true;
  std::set<int> ignores;  // signals that do not end it
};

// What the fakes share.
struct FakeWorld {
  explicit FakeWorld(asio::io_context& context) : io(context) {}

  asio::io_context& io;
  std::vector<std::string> journal;  // "spawn 0.1", "SIGINT 0.1", "disconnect 0.1", "detach 0", ...
  std::map<pid_t, FakeProcess> processes;
  std::map<RunId, FakeChannel*> channels;
  std::map<int, RunId> channel_fds;  // not opened yet
  std::map<RunId, std::string> notes;
  std::set<RunId> forgotten;
  std::set<int> ignored_by_new_processes;
  std::map<int, std::pair<pid_t, std::function<void()>>> watches;
  std::function<void(const ProcessExit&)> on_exit;
  pid_t last_pid = 1000;
  int last_watch = 0;

  static std::string name(RunId run) { return fmt::format("{}.{}", run.pm_id, run.generation); }
  void note_down(const std::string& what, RunId run) { journal.push_back(what + " " + name(run)); }

  Process add_process(RunId run, std::string token) {
    FakeProcess& process = processes[++last_pid];
    process.run = run;
    process.token = std::move(token);
    process.ignores = ignored_by_new_processes;
    UniqueFd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    channel_fds[fd.get()] = run;
    return {last_pid, 77, std::move(fd), {}, {}};
  }
  [[nodiscard]] pid_t pid_of(RunId run) const {
    for (const auto& [pid, process] : processes) {
      if (process.run == run) return pid;
    }
    return 0;
  }
  [[nodiscard]] bool alive(RunId run) const {
    const auto found = processes.find(pid_of(run));
    return found != processes.end() && found->second.alive;
  }
  [[nodiscard]] std::size_t alive_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(processes, [](const auto& entry) { return entry.second.alive; }));
  }
  // The process is gone at once; exit report and watches come in a turn of their own.
  void end(RunId run, ExitStatus status) {
    const pid_t pid = pid_of(run);
    if (!std::exchange(processes.at(pid).alive, false)) return;
    asio::post(io, [this, run, pid, status] {
      on_exit({run, pid, status, 1});
      std::vector<int> due;
      for (const auto& [id, watch] : watches) {
        if (watch.first == pid) due.push_back(id);
      }
      for (const int id : due) {
        const auto found = watches.find(id);
        if (found == watches.end()) continue;
        const std::function<void()> on_end = found->second.second;
        on_end();
      }
    });
  }
};

class FakeSpawner final : public Spawner {
 public:
  explicit FakeSpawner(FakeWorld& world) : world_(world) {}

  std::optional<SpawnError> next_error;  // of every spawn while it is set
  InputResult next_input = InputResult::taken;
  std::vector<SpawnRequest> requests;

  void on_exit(std::function<void(const ProcessExit&)> handler) override {
    world_.on_exit = std::move(handler);
  }
  std::variant<Process, SpawnError> spawn(const SpawnRequest& request) override {
    requests.push_back(request);
    if (next_error) return *next_error;
    world_.note_down("spawn", request.run);
    world_.notes[request.run] = request.note;
    return world_.add_process(request.run, request.env.at("PMX_TOKEN"));
  }
  [[nodiscard]] std::string limits_problem(const ProcessLimits&) const override { return {}; }
  InputResult write_input(RunId run, std::string_view bytes) override {
    world_.note_down(fmt::format("input {}", bytes), run);
    return next_input;
  }
  void remember(RunId run, const std::string& note) override { world_.notes[run] = note; }
  void forget(RunId run) override { world_.forgotten.insert(run); }
  OutputPipes open_output(int) override { return {}; }
  void close_output(int pm_id) override {
    world_.journal.push_back(fmt::format("close_output {}", pm_id));
  }
  bool adopt_by_pid(RunId, pid_t, std::uint64_t) override { return false; }

 private:
  FakeWorld& world_;
};

// `durable` is what a daemon that is killed now leaves behind.
class FakeStore final : public Store {
 public:
  explicit FakeStore(FakeWorld& world) : world_(world) {}

  struct Content {
    std::map<std::uint64_t, AppRecord> apps;
    std::map<int, InstanceRecord> instances;
  };
  Content now;
  Content durable;
  bool hold_commits = false;

  StoredState load() override { return {}; }
  void put_app(AppRecord record) override { now.apps[record.id] = std::move(record); }
  void put_instance(InstanceRecord record) override {
    now.instances[record.pm_id] = std::move(record);
  }
  void remove_app(std::uint64_t id) override { now.apps.erase(id); }
  void remove_instance(int pm_id) override { now.instances.erase(pm_id); }
  void put_file(const std::string&, std::optional<std::string>) override {}
  void commit(std::function<void()> done) override {
    held_.push_back({now, std::move(done)});
    if (!hold_commits) release_commits();
  }
  [[nodiscard]] std::string trouble() const override { return {}; }
  void release_commits() {
    hold_commits = false;
    for (Held& held : std::exchange(held_, {})) {
      asio::post(world_.io, [this, held = std::move(held)] {
        durable = held.content;
        held.done();
      });
    }
  }

 private:
  struct Held {
    Content content;
    std::function<void()> done;
  };
  FakeWorld& world_;
  std::vector<Held> held_;
};

class FakeLogSink final : public LogSink {
 public:
  explicit FakeLogSink(FakeWorld& world) : world_(world) {}

  std::set<int> attached;
  bool hold_drains = false;

  void attach(int pm_id, UniqueFd, UniqueFd, const std::string&, const std::string&,
              const LogStyle&) override {
    attached.insert(pm_id);
  }
  void detach(int pm_id, Done done) override {
    world_.journal.push_back(fmt::format("detach {}", pm_id));
    held_.push_back([this, pm_id, done = std::move(done)] {
      attached.erase(pm_id);
      world_.journal.push_back(fmt::format("drained {}", pm_id));
      done();
    });
    if (!hold_drains) release_drains();
  }
  void end_line(int) override {}
  void drain(int, Done done) override { asio::post(world_.io, std::move(done)); }
  std::string error_text;  // of every file
  void end_of(const std::string&, std::function<void(std::uint64_t)> done) override {
    asio::post(world_.io, [done = std::move(done)] { done(0); });
  }
  void read(const std::string&, std::uint64_t, std::size_t limit,
            std::function<void(std::string)> done) override {
    asio::post(world_.io,
               [done = std::move(done),
                text = error_text.substr(error_text.size() - std::min(error_text.size(), limit))] {
                 done(text);
               });
  }
  void truncate(std::vector<std::string>, Done done) override {
    asio::post(world_.io, std::move(done));
  }
  void rotate(std::vector<std::string> paths) override {
    for (const std::string& path : paths) world_.journal.push_back("rotate " + path);
  }
  void reopen(Done done) override { asio::post(world_.io, std::move(done)); }
  void release_drains() {
    hold_drains = false;
    for (Done& done : std::exchange(held_, {})) asio::post(world_.io, std::move(done));
  }

 private:
  FakeWorld& world_;
  std::vector<Done> held_;
};

class FakeListenerSet final : public ListenerSet {
 public:
  std::set<std::uint64_t> closed;

  ListenResult acquire(std::uint64_t, RunId, const std::string&, const ListenRequest&) override {
    return {};
  }
  void rejoin(std::uint64_t, RunId, const std::string&) override {}
  void release(std::uint64_t, RunId, const std::string&) override {}
  void admit(std::uint64_t, RunId run) override { steer("admit", run); }
  void retire(std::uint64_t, RunId run) override { steer("retire", run); }
  void leave(std::uint64_t, RunId run) override { steer("leave", run); }
  bool aim(std::uint64_t, RunId, int, std::uint16_t) override { return false; }
  void clear_aim(std::uint64_t, int, std::uint16_t) override {}
  [[nodiscard]] bool is_steered(std::uint64_t, RunId) const override { return true; }
  void expect_runs(std::uint64_t, bool) override {}
  [[nodiscard]] bool expects_runs(std::uint64_t) const override { return true; }
  void count_reset(std::uint64_t, const std::string&) override {}
  [[nodiscard]] int queued(std::uint64_t, RunId) const override { return 0; }
  [[nodiscard]] std::vector<int> ports(std::uint64_t, RunId) const override { return {}; }
  [[nodiscard]] std::vector<int> unattended(std::uint64_t, const std::string&) const override {
    return {};
  }
  [[nodiscard]] std::vector<RunId> live(std::uint64_t, const std::string&) const override {
    return {};
  }
  [[nodiscard]] std::vector<ListenerStatus> status(std::uint64_t) const override { return {}; }
  std::string data(std::uint64_t, const std::string&) const override { return {}; }
  void set_data(std::uint64_t, const std::string&, const std::string&) override {}
  void close_app(std::uint64_t app_id) override { closed.insert(app_id); }

  std::vector<std::string> steering;  // "admit 0.1", ...

 private:
  void steer(const char* what, RunId run) {
    steering.push_back(fmt::format("{} {}.{}", what, run.pm_id, run.generation));
  }
};

class FakeChannel final : public WorkerChannel {
 public:
  FakeChannel(FakeWorld& world, RunId run, UniqueFd fd, ChannelEvents events)
      : world_(world), run_(run), fd_(std::move(fd)), events_(std::move(events)) {
    world_.channels[run_] = this;
  }
  FakeChannel(const FakeChannel&) = delete;
  FakeChannel& operator=(const FakeChannel&) = delete;
  ~FakeChannel() override { world_.channels.erase(run_); }

  // What the worker does. Each may destroy this object.
  void listen() {
    const auto handler = events_.on_listening;
    handler();
  }
  void say(const std::string& json) {
    const auto handler = events_.on_message;
    handler(json);
  }
  void tell(AppMessage message) {
    const auto handler = events_.on_app_message;
    handler(std::move(message));
  }
  void drained() {
    const auto handler = events_.on_drained;
    handler();
  }
  void close() {
    closed_ = true;
    const auto handler = events_.on_closed;
    handler();
  }

  bool send_message(std::string_view json) override {
    world_.note_down(fmt::format("message {}", json), run_);
    return !closed_;
  }
  bool request_action(std::string_view action, const std::optional<std::string>& param,
                      std::string_view) override {
    world_.note_down(fmt::format("action {} {}", action, param.value_or("-")), run_);
    return !closed_;
  }
  bool disconnect(bool keep_channel) override {
    world_.note_down(keep_channel ? "disconnect, channel kept" : "disconnect", run_);
    return !closed_;
  }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] std::string note() const override { return {}; }

 private:
  FakeWorld& world_;
  RunId run_;
  UniqueFd fd_;
  ChannelEvents events_;
  bool closed_ = false;
};

class FakeWorkerChannels final : public WorkerChannels {
 public:
  explicit FakeWorkerChannels(FakeWorld& world) : world_(world) {}

  std::unique_ptr<WorkerChannel> open(UniqueFd fd, const WorkerIdentity&, std::string_view,
                                      ChannelEvents events) override {
    const RunId run = world_.channel_fds.at(fd.get());
    world_.channel_fds.erase(fd.get());
    return std::make_unique<FakeChannel>(world_, run, std::move(fd), std::move(events));
  }

 private:
  FakeWorld& world_;
};

class FakeBindWatches final : public BindWatches {
 public:
  explicit FakeBindWatches(FakeWorld& world) : world_(world) {}

  std::unique_ptr<BindWatch> watch(UniqueFd, RunId run, pid_t) override {
    world_.note_down("watch binds", run);
    return std::make_unique<BindWatch>();
  }

 private:
  FakeWorld& world_;
};

class FakeNotifyWatches final : public NotifyWatches {
 public:
  std::map<pid_t, std::function<void(const Notification&)>> watched;

  std::unique_ptr<NotifyWatch> watch(UniqueFd, pid_t pid,
                                     std::function<void(const Notification&)> on_said) override {
    watched[pid] = std::move(on_said);
    return std::make_unique<NotifyWatch>();
  }
};

// Answers when the test says so.
class FakeProber final : public Prober {
 public:
  std::map<RunId, std::function<void(const std::string&)>> asked;  // the last question to each

  std::unique_ptr<PendingProbe> ask(ProbeQuestion question,
                                    std::function<void(const std::string&)> done) override {
    asked[question.run] = std::move(done);
    return std::make_unique<PendingProbe>();
  }
  void answer(RunId run, const std::string& problem) {
    const auto done = std::exchange(asked.at(run), nullptr);
    done(problem);
  }
};

// Trees of one process each.
class FakeProcessTable final : public ProcessTable {
 public:
  explicit FakeProcessTable(FakeWorld& world) : world_(world) {}

  std::vector<ProcessRef> tree(const TreeQuery& query) override {
    std::vector<ProcessRef> found;
    for (const auto& [pid, process] : world_.processes) {
      if (process.alive && (pid == query.root || process.token == query.token))
        found.push_back({pid, {}});
    }
    return found;
  }
  void kill_at_once(RunId) override {}
  [[nodiscard]] std::string known_by(RunId) const override { return "the test"; }
  bool signal(const ProcessRef& process, int number) override {
    FakeProcess& target = world_.processes.at(process.pid);
    if (!target.alive) return false;
    if (number == SIGCONT) return true;  // nothing to one that runs
    world_.note_down(signal_name(number), target.run);
    if (!target.ignores.contains(number))
      world_.end(target.run, {ExitStatus::Kind::signalled, number, false});
    return true;
  }
  std::unique_ptr<Watch> watch(const ProcessRef& process, std::function<void()> on_end) override {
    const int id = ++world_.last_watch;
    world_.watches[id] = {process.pid, std::move(on_end)};
    return std::make_unique<Registration>(world_, id);
  }
  Usage usage(pid_t) override { return {}; }
  std::vector<std::uint64_t> connections(const TreeQuery&, const std::vector<int>&) override {
    return {};
  }
  void add_main(pid_t pid) override { mains.insert(pid); }
  void remove_main(pid_t pid) override { mains.erase(pid); }

  std::set<pid_t> mains;

 private:
  class Registration final : public Watch {
   public:
    Registration(FakeWorld& world, int id) : world_(world), id_(id) {}
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() override { world_.watches.erase(id_); }

   private:
    FakeWorld& world_;
    int id_;
  };
  FakeWorld& world_;
};

// Files change when the test says so.
class FakeFileWatch final : public FileWatch {
 public:
  explicit FakeFileWatch(FakeWorld& world) : world_(world) {}

  struct Watched {
    WatchRequest request;
    WatchEvents events;
  };
  std::map<int, Watched> watched;  // in the order of their beginning
  bool hold_begin = false;

  std::unique_ptr<Watch> watch(WatchRequest request, WatchEvents events) override {
    const int id = ++last_;
    world_.journal.push_back("watch " + request.path);
    watched[id] = {std::move(request), std::move(events)};
    if (!hold_begin) release_begin();
    return std::make_unique<Registration>(*this, id);
  }
  void release_begin() {
    hold_begin = false;
    for (const auto& [id, unused] : watched) {
      if (!begun_.insert(id).second) continue;
      asio::post(world_.io, [this, id = id] {
        if (watched.contains(id)) watched.at(id).events.begun();
      });
    }
  }
  // Returns whether anybody was told.
  bool change(const std::string& root, const std::string& path) {
    for (const auto& [id, one] : watched) {
      if (one.request.path != root || one.request.ignored(path, false)) continue;
      const auto changed = one.events.changed;
      changed(path);
      return true;
    }
    return false;
  }

 private:
  class Registration final : public Watch {
   public:
    Registration(FakeFileWatch& files, int id) : files_(files), id_(id) {}
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() override { files_.watched.erase(id_); }

   private:
    FakeFileWatch& files_;
    int id_;
  };
  FakeWorld& world_;
  int last_ = 0;
  std::set<int> begun_;
};

class RealClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallMillis wall_now() const override {
    return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace pmx::test
