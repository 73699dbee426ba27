// SeccompDoor: where programs that cannot load libpmx-listen.so (static ones, Go) get the app's
// listening sockets. Their bind() and listen() wait in the kernel until the daemon has answered
// (seccomp_unotify(2)); the socket takes the place of the program's own, by its number. What is not
// ours goes its way: this shares sockets, it confines nobody.
//
// A call that an earlier daemon has taken and not answered would wait for ever: the threads of an
// adopted run that are found in such a call are interrupted, and the kernel asks again.
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/sys/seccomp.h"
#include "daemon/cluster/bind_rules.h"
#include "daemon/ports/bind_watch.h"

namespace pmx {

class SeccompDoor : public BindWatches {
 public:
  // Runs that have ended, and of which something still lives: it binds its own, as without us. Of
  // more than so many the oldest are let go, and their bind() fails with ENOSYS.
  static constexpr std::size_t kMaxLeftovers = 64;

  struct Events {
    // nullopt: no such run, or that port is not shared.
    std::function<std::optional<BindCaller>(RunId run, int port)> who;
    std::function<void(RunId)> on_listening;
    // Why it gets no socket, for people.
    std::function<void(RunId, const std::string& text)> on_problem;
  };

  SeccompDoor(asio::io_context& io, ListenerSet& listeners, Events events);
  ~SeccompDoor() override;

  // Answers in turns of the event loop. An event may end the run, and with it the watch.
  std::unique_ptr<BindWatch> watch(UniqueFd binds, RunId run, pid_t adopted) override;

 private:
  struct Watched;
  class Watch;
  using Id = std::uint64_t;

  void wait(const std::shared_ptr<Watched>& watched);
  // False: nobody is left who could call.
  bool answer_all(const std::shared_ptr<Watched>& watched);
  void answer(Watched& watched, const sys::WaitingCall& call);
  // Whether it was answered; else it is to go its way.
  bool share(Watched& watched, const sys::WaitingCall& call);
  void leave(Id id);
  void refused(Watched& watched, pid_t tid);

  asio::io_context& io_;
  ListenerSet& listeners_;
  Events events_;
  std::map<Id, std::shared_ptr<Watched>> watched_;
  Id last_id_ = 0;
};

}  // namespace pmx
