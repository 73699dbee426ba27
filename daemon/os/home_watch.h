// HomeWatch: tells when something of the daemon's own has been taken out of its home, or the home
// itself is gone (inotify). Whoever is told looks at what is missing; the watch only wakes.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <set>
#include <string>

namespace pmx {

class HomeWatch {
 public:
  // `names`: the entries of the home that matter. `on_loss` runs on `io` once the removing has come
  // to rest, so that an `rm -r` finds the directory as empty as it left it. Without inotify (limits)
  // it is never called, and watch() says why.
  HomeWatch(asio::io_context& io, std::string home, std::set<std::string> names,
            std::function<void()> on_loss);

  // Watches the directory that has the home's name now. Empty, or why that is impossible.
  std::string watch();
  // on_loss is called once more after a while: for one that could not do its work.
  void again_later();
  void stop();

 private:
  void wait();
  bool read_events();
  void after(std::chrono::milliseconds delay);

  std::string home_;
  std::set<std::string> names_;
  std::function<void()> on_loss_;
  asio::posix::stream_descriptor inotify_;
  asio::steady_timer rest_;
  int watch_ = -1;
};

}  // namespace pmx
