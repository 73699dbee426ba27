#include "daemon/cluster/connection_handout.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <vector>

namespace pmx {
namespace {

// After a worker or we ourselves were out of descriptors.
constexpr std::chrono::milliseconds kPause{100};
// Accepted in one turn of the event loop, so that a flood does not keep the rest waiting.
constexpr int kMostPerTurn = 64;

// Its client is told at once: to close it plainly would look like an answer without content.
void reset(UniqueFd connection) {
  const linger at_once{1, 0};
  (void)::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

}  // namespace

// One key of one app.
struct ConnectionHandout::Port : std::enable_shared_from_this<Port> {
  struct Worker {
    ConnectionTaker* taker = nullptr;
    RunId run;
    std::map<std::int64_t, UniqueFd> in_flight;
    bool paused = false;  // until the timer
  };
  struct Source {
    explicit Source(asio::io_context& io, UniqueFd fd) : descriptor(io, fd.release()) {}
    asio::posix::stream_descriptor descriptor;
    bool waiting = false;
  };

  Port(asio::io_context& io_, ListenerSet& listeners_, Name name_)
      : io(io_), listeners(listeners_), name(std::move(name_)), timer(io_), patience(io_) {}

  asio::io_context& io;
  ListenerSet& listeners;
  Name name;
  std::vector<Worker> workers;
  std::vector<RunId> live;                         // those that get connections
  std::map<int, std::shared_ptr<Source>> sources;  // by the set's descriptor
  std::deque<UniqueFd> returned;                   // declined or not acknowledged; bounded by what
                                                   // was in flight
  std::size_t turn = 0;
  asio::steady_timer timer;
  bool timer_armed = false;
  asio::steady_timer patience;
  bool forsaken = false;   // nobody takes or will take what waits in the sources ...
  bool resetting = false;  // ... since a while

  void update() {
    live = listeners.live(name.first, name.second);
    const std::vector<int> wanted = listeners.unattended(name.first, name.second);
    std::erase_if(sources, [&](const auto& entry) {
      return std::find(wanted.begin(), wanted.end(), entry.first) == wanted.end();
    });
    for (const int fd : wanted) {
      if (sources.contains(fd)) continue;
      UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (copy) sources[fd] = std::make_shared<Source>(io, std::move(copy));
    }
    set_forsaken(!sources.empty() && workers.empty() && !listeners.expects_runs(name.first));
  }

  void set_forsaken(bool now) {
    if (std::exchange(forsaken, now) == now) return;
    resetting = false;
    patience.cancel();
    if (!forsaken) return;
    patience.expires_after(kPatience);
    patience.async_wait([weak = weak_from_this()](const std::error_code& error) {
      const auto self = weak.lock();
      if (error || !self || !self->forsaken) return;
      self->resetting = true;
      self->run();
    });
  }

  [[nodiscard]] bool can_take(const Worker& worker) const {
    return worker.in_flight.size() < kMaxInFlight && !worker.paused &&
           std::find(live.begin(), live.end(), worker.run) != live.end();
  }
  [[nodiscard]] bool anyone_can_take() const {
    return std::any_of(workers.begin(), workers.end(),
                       [this](const Worker& worker) { return can_take(worker); });
  }

  // The next worker in turn that can take a connection now.
  Worker* next_worker() {
    for (std::size_t i = 0; i < workers.size(); ++i) {
      Worker& worker = workers[(turn + i) % workers.size()];
      if (!can_take(worker)) continue;
      turn = (turn + i + 1) % workers.size();
      return &worker;
    }
    return nullptr;
  }

  // False: nobody can take it now; `connection` is as before.
  bool hand_out(UniqueFd& connection) {
    for (std::size_t tries = workers.size(); tries > 0; --tries) {
      Worker* worker = next_worker();
      if (worker == nullptr) return false;
      const auto number = worker->taker->pass_connection(name.second, connection.get());
      if (number) {
        worker->in_flight[*number] = std::move(connection);
        return true;
      }
      pause(*worker);
    }
    return false;
  }

  void pause(Worker& worker) {
    worker.paused = true;
    arm_timer();
  }

  void arm_timer() {
    if (std::exchange(timer_armed, true)) return;
    timer.expires_after(kPause);
    timer.async_wait([weak = weak_from_this()](const std::error_code& error) {
      const auto self = weak.lock();
      if (!self) return;
      self->timer_armed = false;
      for (Worker& worker : self->workers) worker.paused = false;
      if (!error) self->run();
    });
  }

  void run() {
    while (!returned.empty()) {
      if (resetting) {
        give_up(returned.front());
        returned.pop_front();
        continue;
      }
      if (!hand_out(returned.front())) return;
      returned.pop_front();
    }
    for (auto& [fd, source] : sources) wait(source);
  }

  void wait(const std::shared_ptr<Source>& source) {
    if (source->waiting || !(resetting || anyone_can_take())) return;
    source->waiting = true;
    source->descriptor.async_wait(
        asio::posix::stream_descriptor::wait_read,
        [weak = weak_from_this(), of = std::weak_ptr(source)](const std::error_code& error) {
          const auto self = weak.lock();
          const auto ready = of.lock();
          if (!self || !ready) return;
          ready->waiting = false;
          if (!error) self->accept_from(ready);
        });
  }

  void accept_from(const std::shared_ptr<Source>& source) {
    for (int i = 0; i < kMostPerTurn && returned.empty() && (resetting || anyone_can_take()); ++i) {
      UniqueFd connection(::accept4(source->descriptor.native_handle(), nullptr, nullptr,
                                    SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!connection) {
        if (errno == ECONNABORTED || errno == EINTR) continue;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          arm_timer();
          return;
        }
        break;
      }
      if (resetting) {
        give_up(connection);
      } else if (!hand_out(connection)) {
        returned.push_back(std::move(connection));
      }
    }
    run();
  }

  void give_up(UniqueFd& connection) {
    reset(std::move(connection));
    listeners.count_reset(name.first, name.second);
  }

  Worker* find(const ConnectionTaker& taker) {
    const auto found = std::find_if(workers.begin(), workers.end(),
                                    [&](const Worker& worker) { return worker.taker == &taker; });
    return found != workers.end() ? &*found : nullptr;
  }

  void remove(const ConnectionTaker& taker) {
    Worker* worker = find(taker);
    if (worker == nullptr) return;
    for (auto& [number, connection] : worker->in_flight) returned.push_back(std::move(connection));
    workers.erase(workers.begin() + (worker - workers.data()));
  }
};

ConnectionHandout::ConnectionHandout(asio::io_context& io, ListenerSet& listeners)
    : io_(io), listeners_(listeners) {}

ConnectionHandout::~ConnectionHandout() = default;

ConnectionHandout::Port& ConnectionHandout::port(const Name& name) {
  std::shared_ptr<Port>& port = ports_[name];
  if (!port) port = std::make_shared<Port>(io_, listeners_, name);
  return *port;
}

void ConnectionHandout::tidy(const Name& name) {
  const auto found = ports_.find(name);
  if (found == ports_.end()) return;
  Port& port = *found->second;
  if (port.workers.empty() && port.sources.empty()) ports_.erase(found);
}

void ConnectionHandout::attendance_changed(std::uint64_t app_id, const std::string& key) {
  const std::shared_ptr<Port> changed = port(Name(app_id, key)).shared_from_this();
  changed->update();
  changed->run();
  tidy(Name(app_id, key));
}

void ConnectionHandout::join(std::uint64_t app_id, const std::string& key, RunId run,
                             ConnectionTaker& worker) {
  Port& joined = port(Name(app_id, key));
  if (joined.find(worker) == nullptr) joined.workers.push_back({&worker, run, {}, false});
  joined.update();
  joined.run();
}

void ConnectionHandout::leave(std::uint64_t app_id, const std::string& key,
                              ConnectionTaker& worker) {
  const Name name(app_id, key);
  const auto found = ports_.find(name);
  if (found == ports_.end()) return;
  found->second->remove(worker);
  found->second->update();
  found->second->run();
  tidy(name);
}

void ConnectionHandout::leave(ConnectionTaker& worker) {
  std::vector<Name> names;
  for (const auto& [name, port] : ports_) {
    if (port->find(worker) != nullptr) names.push_back(name);
  }
  for (const Name& name : names) leave(name.first, name.second, worker);
}

void ConnectionHandout::answered(std::uint64_t app_id, ConnectionTaker& worker, std::int64_t number,
                                 bool taken) {
  const auto last = ports_.lower_bound(Name(app_id + 1, ""));
  for (auto at = ports_.lower_bound(Name(app_id, "")); at != last; ++at) {
    const std::shared_ptr<Port> port = at->second;
    Port::Worker* found = port->find(worker);
    if (found == nullptr) continue;
    auto connection = found->in_flight.extract(number);
    if (connection.empty()) continue;
    if (!taken) {
      port->returned.push_back(std::move(connection.mapped()));
      // Else a worker at its own limit of connections would get it again at once.
      port->pause(*found);
    }
    port->run();
    return;
  }
}

}  // namespace pmx
