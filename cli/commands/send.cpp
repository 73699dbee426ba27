// pmx send ID LINE and pmx attach ID [SEPARATOR]: what an app reads from its stdin.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/autostart.h"
#include "cli/commands/commands.h"
#include "cli/log_view/log_view.h"
#include "cli/signals.h"

namespace pmx::cli {
namespace {

// The one instance that is meant.
InstanceStatus only_instance(Context& context, const std::string& target) {
  const std::vector<InstanceStatus> found = context.find(target);
  if (found.empty())
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist", target),
                "pmx list shows what does");
  if (found.size() > 1)
    throw Error(ErrorCode::invalid_request,
                fmt::format("{} has {} instances", target, found.size()),
                "name one of them by its id");
  return found.front();
}

// For what is too long or too secret for a command line. More than the protocol takes is refused by it.
std::string text_of_stdin() {
  std::string text;
  std::array<char, 4096> block;
  while (text.size() <= protocol::kMaxRequestBytes) {
    const ssize_t size = ::read(STDIN_FILENO, block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw std::system_error(errno, std::generic_category(), "read standard input");
    if (size == 0) break;
    text.append(block.data(), static_cast<std::size_t>(size));
  }
  return text;
}

// Its log files, so that what it answers is seen.
std::vector<LogFileEntry> logs_of(Context& context, const InstanceStatus& one) {
  std::vector<LogFileEntry> entries;
  const auto logs =
      context.daemon().call<protocol::Logs>({.target = std::nullopt, .follow = false});
  for (const protocol::Logs::File& file : logs.files) {
    if (file.pm_id != one.pm_id) continue;
    const LogStream stream = file.stream == "err" ? LogStream::err : LogStream::out;
    entries.push_back({file.pm_id, file.name, stream, file.path});
  }
  return entries;
}

class Attached {
 public:
  Attached(Context& context, int pm_id, std::string separator)
      : context_(context), target_(std::to_string(pm_id)), separator_(std::move(separator)) {}

  // Until a signal, the end of the input, or of who reads our output.
  void run(LogView& view) {
    const UniqueFd signals = take_end_signals();
    for (;;) {
      std::array<pollfd, 4> waiting{{{signals.get(), POLLIN, 0},
                                     {view.event_fd(), POLLIN, 0},
                                     {STDOUT_FILENO, 0, 0},
                                     {STDIN_FILENO, POLLIN, 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
        throw std::system_error(errno, std::generic_category(), "poll");
      if (waiting[0].revents != 0 || (waiting[2].revents & POLLERR) != 0) return;
      if (waiting[1].revents != 0) view.on_ready();
      if (waiting[3].revents != 0 && !read_input()) return;
    }
  }

 private:
  // False: no more comes.
  bool read_input() {
    std::array<char, 4096> block;
    const ssize_t size = ::read(STDIN_FILENO, block.data(), block.size());
    if (size < 0) return errno == EINTR || errno == EAGAIN;
    pending_.append(block.data(), static_cast<std::size_t>(size));
    std::size_t start = 0;
    for (std::size_t end = pending_.find('\n'); end != std::string::npos;
         end = pending_.find('\n', start)) {
      send(pending_.substr(start, end - start));
      start = end + 1;
    }
    pending_.erase(0, start);
    if (size == 0 && !pending_.empty()) send(pending_);
    return size != 0;
  }

  // What cannot be sent is said, and the next line is tried again.
  void send(const std::string& line) {
    try {
      // One that has died since the last line is being started again.
      Client client = connect_or_start(context_.paths()).client;
      client.call<protocol::Send>({.target = target_, .input = line + separator_, .message = {}});
    } catch (const Error& error) {
      context_.output.error(error);
    }
  }

  Context& context_;
  std::string target_;
  std::string separator_;
  std::string pending_;
};

}  // namespace

int run_send(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  std::optional<std::string> message;
  bool from_stdin = false;
  arguments.text("--message", message, "JSON",
                 "to its message channel, not to its stdin; -: what comes on stdin");
  arguments.flag("--stdin", from_stdin, "what comes on stdin, as it is");
  arguments.words("id and line", words, 1, 2);
  context.parse(arguments);
  if (int{message.has_value()} + int{words.size() == 2} + int{from_stdin} != 1)
    throw UsageError("send needs a line, --stdin, or --message JSON",
                     "pmx send 0 'a line', pmx send 0 --message '{\"a\":1}'");
  if (message == "-") message = text_of_stdin();
  protocol::Send::Request request{words[0], "", message.value_or("")};
  if (!message) request.input = from_stdin ? text_of_stdin() : words[1] + "\n";
  const auto sent = context.daemon().call<protocol::Send>(request);
  for (const InstanceStatus& one : sent.instances) context.output.done(one);
  return 0;
}

int run_attach(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("id and separator", words, 1, 2);
  context.parse(arguments);
  const InstanceStatus one = only_instance(context, words[0]);
  context.output.remark(
      fmt::format("attached to {} ({}); Ctrl-C leaves, the app goes on", one.name, one.pm_id));
  LogViewOptions options;
  options.format = LogFormat::raw;
  options.lines = 0;
  LogView view(options, stdout, stderr);
  view.set_files(logs_of(context, one));
  Attached(context, one.pm_id, words.size() > 1 ? words[1] : "\n").run(view);
  return 0;
}

}  // namespace pmx::cli
