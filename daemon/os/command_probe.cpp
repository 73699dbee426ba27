#include "daemon/os/command_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/model/exit_status.h"
#include "common/sys/child_limits.h"
#include "daemon/os/child_exec.h"

namespace pmx {
namespace {

constexpr std::size_t kKeptOutput = 1024;
constexpr std::size_t kLongestLine = 200;

struct Run : std::enable_shared_from_this<Run> {
  Run(asio::io_context& io, std::function<void(const std::string&)> on_done)
      : done(std::move(on_done)), ended(io), output(io), timer(io) {}

  std::function<void(const std::string&)> done;  // empty: answered, or taken back
  pid_t pid = 0;
  asio::posix::stream_descriptor ended;  // pidfd
  asio::posix::stream_descriptor output;
  asio::steady_timer timer;
  std::string text;

  void watch(Millis timeout) {
    ended.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const std::error_code& error) {
                       if (!error) self->reap();
                     });
    read_output();
    timer.expires_after(timeout);
    timer.async_wait([self = shared_from_this(), timeout](const std::error_code& error) {
      if (error) return;
      self->kill();
      self->answer(fmt::format("no answer within {} ms", timeout.count()));
    });
  }

  void read_output() {
    output.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const std::error_code& error) {
                        if (!error && self->take_output()) self->read_output();
                      });
  }

  // False: there will be no more.
  bool take_output() {
    std::array<char, 4096> buffer{};
    const ssize_t size = ::read(output.native_handle(), buffer.data(), buffer.size());
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    // The end is what says why.
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > kKeptOutput) text.erase(0, text.size() - kKeptOutput);
    return size > 0;
  }

  void kill() const {
    if (pid > 0) ::kill(-pid, SIGKILL);
  }

  void reap() {
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG | __WALL) != pid) return;
    pid = 0;
    take_output();
    const ExitStatus exit = ExitStatus::from_wait(status);
    answer(exit.success() ? "" : exit.describe() + last_line());
    std::error_code ignored;
    output.close(ignored);
  }

  [[nodiscard]] std::string last_line() const {
    std::string_view rest = text;
    while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
    const std::size_t before = rest.rfind('\n');
    if (before != std::string_view::npos) rest.remove_prefix(before + 1);
    std::string line(rest.substr(0, kLongestLine));
    while (!line.empty() && !is_utf8(line)) line.pop_back();
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    return line.empty() ? line : ": " + line;
  }

  void answer(const std::string& problem) {
    timer.cancel();
    if (!done) return;
    const auto tell = std::exchange(done, nullptr);
    tell(problem);
  }
};

class PendingRun : public PendingProbe {
 public:
  explicit PendingRun(std::shared_ptr<Run> run) : run_(std::move(run)) {}
  PendingRun(const PendingRun&) = delete;
  PendingRun& operator=(const PendingRun&) = delete;
  ~PendingRun() override {
    if (std::exchange(run_->done, nullptr)) run_->kill();
    run_->timer.cancel();
  }

 private:
  std::shared_ptr<Run> run_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Throws std::system_error and Error.
void start(Run& run, const ProbeQuestion& question) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe");
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) throw std::system_error(errno, std::generic_category(), "open /dev/null");
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);

  std::vector<std::string> argv{"sh", "-c", question.probe.path};
  std::vector<std::string> env;
  for (const auto& [name, value] : question.env) env.push_back(fmt::format("{}={}", name, value));
  const std::vector<char*> argv_pointers = pointers(argv);
  const std::vector<char*> env_pointers = pointers(env);
  const sys::ChildLimits limits = sys::child_limits(question.limits);
  ChildPlan plan;
  plan.program = "/bin/sh";
  plan.argv = argv_pointers.data();
  plan.envp = env_pointers.data();
  plan.cwd = question.cwd.c_str();
  plan.input = null.get();
  plan.output = write_end.get();
  plan.error = write_end.get();
  plan.limits = &limits;
  plan.own_child = true;
  ClonedChild child = clone_and_exec(plan);
  if (child.pid < 0) throw std::system_error(errno, std::generic_category(), "clone");
  if (plan.failed_stage != nullptr) {
    ::waitpid(child.pid, nullptr, __WALL);
    throw std::system_error(plan.failed_errno, std::generic_category(), plan.failed_stage);
  }
  run.pid = child.pid;
  run.ended.assign(child.pidfd.release());
  run.output.assign(read_end.release());
}

}  // namespace

std::unique_ptr<PendingProbe> run_command_probe(asio::io_context& io, const ProbeQuestion& question,
                                                std::function<void(const std::string&)> done) {
  auto run = std::make_shared<Run>(io, std::move(done));
  try {
    start(*run, question);
    run->watch(question.timeout);
  } catch (const std::exception& error) {
    asio::post(io, [run, text = std::string(error.what())] { run->answer(text); });
  }
  return std::make_unique<PendingRun>(std::move(run));
}

}  // namespace pmx
