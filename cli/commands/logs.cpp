// pmx logs: the daemon says which files, the files are read here; a daemon that goes away and comes
// back is not noticed by who reads.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/log_view/log_view.h"
#include "cli/signals.h"

namespace pmx::cli {
namespace {

constexpr int kReconnectEvery = 1000;  // milliseconds
constexpr int kDefaultLines = 15;

struct Wanted {
  std::vector<std::string> targets;  // none: everything
  bool only_out = false;
  bool only_err = false;
};

// The log files of one target, and the connection that tells when they change.
struct Source {
  std::optional<std::string> target;
  std::optional<Client> client;
  std::vector<protocol::Logs::File> files;
};

std::vector<LogFileEntry> entries_of(const std::vector<Source>& sources, const Wanted& wanted) {
  std::vector<LogFileEntry> entries;
  for (const Source& source : sources) {
    for (const protocol::Logs::File& file : source.files) {
      const bool is_err = file.stream == "err";
      if ((is_err && wanted.only_out) || (!is_err && wanted.only_err)) continue;
      entries.push_back(
          {file.pm_id, file.name, is_err ? LogStream::err : LogStream::out, file.path});
    }
  }
  return entries;
}

class Follower {
 public:
  Follower(Context& context, const Wanted& wanted, std::vector<Source> sources, LogView& view)
      : context_(context), wanted_(wanted), sources_(std::move(sources)), view_(view) {}

  // Until a signal.
  void run() {
    const UniqueFd signals = take_end_signals();
    take_news();
    for (;;) {
      std::vector<pollfd> waiting = {
          {.fd = signals.get(), .events = POLLIN, .revents = 0},
          {.fd = view_.event_fd(), .events = POLLIN, .revents = 0},
          // A reader that has gone (`pmx logs | head`) would be noticed only at the next line.
          {.fd = STDOUT_FILENO, .events = 0, .revents = 0}};
      bool all_connected = true;
      for (const Source& source : sources_) {
        if (source.client) waiting.push_back({source.client->fd(), POLLIN, 0});
        all_connected = all_connected && source.client;
      }
      const int ready =
          ::poll(waiting.data(), waiting.size(), all_connected ? -1 : kReconnectEvery);
      if (ready < 0 && errno != EINTR) {
        throw std::system_error(errno, std::generic_category(), "poll");
      }
      if (waiting[0].revents != 0 || (waiting[2].revents & POLLERR) != 0) return;
      if (waiting[1].revents != 0) view_.on_ready();
      const auto now = std::chrono::steady_clock::now();
      if (!all_connected && now >= next_reconnect_) {
        next_reconnect_ = now + std::chrono::milliseconds(kReconnectEvery);
        reconnect();
      }
      take_news();
    }
  }

 private:
  void take_news() {
    bool changed = std::exchange(reconnected_, false);
    for (Source& source : sources_) {
      if (!source.client) continue;
      try {
        if (auto news = source.client->changed_log_files()) {
          source.files = std::move(news->files);
          changed = true;
        }
      } catch (const Error&) {
        source.client.reset();  // the files go on without the daemon
      }
    }
    if (changed) view_.set_files(entries_of(sources_, wanted_));
  }

  void reconnect() {
    for (Source& source : sources_) {
      if (source.client) continue;
      try {
        std::optional<Client> client = Client::connect(context_.paths().socket());
        if (!client) continue;
        source.files =
            client->call<protocol::Logs>({.target = source.target, .follow = true}).files;
        source.client = std::move(client);
        reconnected_ = true;
      } catch (const Error&) {
        // Not ready yet, or the target is not there yet: again in a second.
      }
    }
  }

  Context& context_;
  const Wanted& wanted_;
  std::vector<Source> sources_;
  LogView& view_;
  bool reconnected_ = false;
  std::chrono::steady_clock::time_point next_reconnect_;
};

}  // namespace

int run_logs(Context& context, Arguments& arguments) {
  Wanted wanted;
  LogViewOptions options;
  bool nostream = false;
  std::optional<int> lines;
  std::optional<std::string> highlight;
  arguments.words("target", wanted.targets, 0, Arguments::kAny);
  arguments.number("--lines", lines, "N", "lines of history per file (15); 0: new ones only");
  arguments.flag("--nostream", nostream, "history only, then end");
  arguments.flag("--raw", options.raw, "bare lines, those of error logs to stderr");
  arguments.flag("--err", wanted.only_err, "error logs only");
  arguments.flag("--out", wanted.only_out, "out logs only");
  arguments.flag_with_text("--timestamp", options.timestamp, "YYYY-MM-DD-HH:mm:ss",
                           "arrival time before each line; also --timestamp=FORMAT");
  arguments.text("--highlight", highlight, "TEXT", "mark this text");
  context.parse(arguments);
  if (lines && *lines < 0) throw UsageError("--lines needs a number from 0 on");
  if (wanted.only_err && wanted.only_out) wanted.only_err = wanted.only_out = false;
  options.lines = static_cast<std::size_t>(lines.value_or(kDefaultLines));
  options.highlight = highlight.value_or("");
  options.colour = context.output.colours();

  std::vector<Source> sources;
  if (wanted.targets.empty()) sources.emplace_back();
  for (const std::string& target : wanted.targets) sources.push_back({target, {}, {}});
  context.daemon();  // starts one if need be
  for (Source& source : sources) {
    source.client = Client::connect(context.paths().socket());
    if (!source.client) throw Error(ErrorCode::unavailable, "the daemon has just gone");
    source.files =
        source.client->call<protocol::Logs>({.target = source.target, .follow = !nostream}).files;
    if (source.target && *source.target != "all" && source.files.empty()) {
      throw Error(ErrorCode::not_found, fmt::format("{} does not exist", *source.target),
                  "pmx list shows what does");
    }
  }

  LogView view(options, stdout, stderr);
  view.set_files(entries_of(sources, wanted));
  view.print_history();
  std::fflush(stdout);
  if (!nostream) Follower(context, wanted, std::move(sources), view).run();
  return 0;
}

}  // namespace pmx::cli
