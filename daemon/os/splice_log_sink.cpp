#include "daemon/os/splice_log_sink.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>
#include <variant>

#include "daemon/os/log_pump.h"

namespace pmx {
namespace {

struct Attach {
  int pm_id;
  UniqueFd out;
  UniqueFd error;
  std::string out_path;
  std::string error_path;
  LogStyle style;
};
struct EndLine {
  int pm_id;
};
struct Detach {
  int pm_id;
  LogTicketPtr ticket;
};
struct Drain {
  int pm_id;
  LogTicketPtr ticket;
};
struct Truncate {
  std::vector<std::string> paths;
  LogTicketPtr ticket;
};
struct Rotate {
  std::vector<std::string> paths;
};
struct Look {
  std::function<void()> look;
  LogTicketPtr ticket;
};
struct Reopen {
  LogTicketPtr ticket;
};
struct Stop {};
using Command = std::variant<Attach, EndLine, Detach, Drain, Look, Truncate, Rotate, Reopen, Stop>;

// A regular file, to look into it; nothing else is opened, a FIFO would block.
UniqueFd open_to_read(const std::string& path, std::uint64_t& size) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  size = 0;
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

std::string read_end(const std::string& path, std::uint64_t offset, std::size_t limit) {
  std::uint64_t size = 0;
  const UniqueFd file = open_to_read(path, size);
  // A file that has shrunk was emptied or rotated meanwhile: then all of it is new.
  if (offset > size) offset = 0;
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(size - offset, limit)), '\0');
  if (!file || text.empty()) return {};
  const ssize_t got =
      ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

UniqueFd make_wake() {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) throw std::system_error(errno, std::generic_category(), "eventfd for logs");
  return wake;
}

}  // namespace

class SpliceLogSink::Worker {
 public:
  Worker(Post post, Report report, Trouble trouble)
      : post_(std::move(post)),
        wake_(make_wake()),
        pump_(
            wake_.get(),
            [this, report = std::move(report)](std::string text) {
              post_([report, text = std::move(text)] { report(text); });
            },
            [this, trouble = std::move(trouble)](int pm_id, std::string problem,
                                                 std::uint64_t dropped) {
              if (!trouble) return;
              post_([trouble, pm_id, problem = std::move(problem), dropped] {
                trouble(pm_id, problem, dropped);
              });
            }) {}

  LogTicketPtr ticket(Done done) { return std::make_shared<LogTicket>(post_, std::move(done)); }

  // On the control thread.
  void send(Command command) {
    {
      const std::lock_guard lock(mutex_);
      commands_.push_back(std::move(command));
    }
    const std::uint64_t one = 1;
    // Cannot fail but by overflow, and then the thread is awake anyway.
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  }

  // The log thread.
  void run() {
    sigset_t all;
    ::sigfillset(&all);  // signals belong to the control thread; SIGPIPE and SIGXFSZ become errors
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "pmxd-log");
    while (!is_stopping_) {
      if (!pump_.run_once()) continue;
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
      std::vector<Command> commands;
      {
        const std::lock_guard lock(mutex_);
        commands.swap(commands_);
      }
      for (Command& command : commands) {
        std::visit([this](auto& given) { apply(given); }, command);
      }
    }
    pump_.finish();
  }

 private:
  void apply(Attach& command) {
    // The run before may not have been detached.
    pump_.detach(command.pm_id, nullptr);
    pump_.attach(command.pm_id, std::move(command.out), command.out_path, command.style, "out");
    pump_.attach(command.pm_id, std::move(command.error), command.error_path, command.style, "err");
  }
  void apply(const EndLine& command) { pump_.end_line(command.pm_id); }
  void apply(const Detach& command) { pump_.detach(command.pm_id, command.ticket); }
  void apply(const Drain& command) { pump_.drain(command.pm_id, command.ticket); }
  void apply(const Look& command) { command.look(); }
  void apply(const Truncate& command) { pump_.truncate(command.paths); }
  void apply(const Rotate& command) { pump_.rotate(command.paths); }
  void apply(const Reopen&) { pump_.reopen(); }
  void apply(const Stop&) { is_stopping_ = true; }

  Post post_;
  UniqueFd wake_;
  LogPump pump_;
  bool is_stopping_ = false;
  std::mutex mutex_;
  std::vector<Command> commands_;  // guarded by mutex_
};

SpliceLogSink::SpliceLogSink(Post post, Report report, Trouble trouble)
    : worker_(std::make_unique<Worker>(std::move(post), std::move(report), std::move(trouble))),
      thread_([worker = worker_.get()] { worker->run(); }) {}

SpliceLogSink::~SpliceLogSink() {
  worker_->send(Stop{});
  thread_.join();
}

void SpliceLogSink::attach(int pm_id, UniqueFd out, UniqueFd error, const std::string& out_path,
                           const std::string& error_path, const LogStyle& style) {
  worker_->send(Attach{pm_id, std::move(out), std::move(error), out_path, error_path, style});
}

void SpliceLogSink::end_line(int pm_id) { worker_->send(EndLine{pm_id}); }

void SpliceLogSink::detach(int pm_id, Done done) {
  worker_->send(Detach{pm_id, worker_->ticket(std::move(done))});
}

void SpliceLogSink::drain(int pm_id, Done done) {
  worker_->send(Drain{pm_id, worker_->ticket(std::move(done))});
}

void SpliceLogSink::end_of(const std::string& path, std::function<void(std::uint64_t)> done) {
  auto size = std::make_shared<std::uint64_t>(0);
  worker_->send(Look{[path, size] { open_to_read(path, *size); },
                     worker_->ticket([size, done = std::move(done)] { done(*size); })});
}

void SpliceLogSink::read(const std::string& path, std::uint64_t offset, std::size_t limit,
                         std::function<void(std::string)> done) {
  auto text = std::make_shared<std::string>();
  worker_->send(Look{[=] { *text = read_end(path, offset, limit); },
                     worker_->ticket([text, done = std::move(done)] { done(std::move(*text)); })});
}

void SpliceLogSink::truncate(std::vector<std::string> paths, Done done) {
  worker_->send(Truncate{std::move(paths), worker_->ticket(std::move(done))});
}

void SpliceLogSink::rotate(std::vector<std::string> paths) {
  worker_->send(Rotate{std::move(paths)});
}

void SpliceLogSink::run(std::function<void()> work) {
  worker_->send(Look{std::move(work), nullptr});
}

void SpliceLogSink::reopen(Done done) { worker_->send(Reopen{worker_->ticket(std::move(done))}); }

}  // namespace pmx
