// pmx logs: the daemon says which files, the files are read here; a daemon that goes away and comes
// back is not noticed by who reads.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
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
  bool events = false;
  bool daemon_named = false;
  std::string daemon_log;
  std::optional<LogTime> until;

  [[nodiscard]] bool with_daemon() const {
    if (daemon_named) return true;
    const bool is_all = targets.empty() || std::ranges::find(targets, "all") != targets.end();
    return is_all && !only_out && !only_err;
  }
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
      entries.push_back({file.pm_id, file.name, is_err ? LogStream::err : LogStream::out, file.path,
                         file.date_format, file.json});
    }
  }
  // As pm2: with the logs of all apps, unless only one of their streams is wanted.
  if (wanted.with_daemon()) entries.push_back({0, "PMX", LogStream::daemon, wanted.daemon_log});
  return entries;
}

class Follower {
 public:
  Follower(Context& context, const Wanted& wanted, std::vector<Source> sources, LogView& view)
      : context_(context), wanted_(wanted), sources_(std::move(sources)), view_(view) {}

  // Until a signal, or the last time that is wanted.
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
      int patience = all_connected ? -1 : kReconnectEvery;
      if (wanted_.until) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            *wanted_.until - std::chrono::system_clock::now());
        if (left.count() <= 0) return;
        constexpr long long kLongest = 3'600'000;
        const int until = static_cast<int>(std::min<long long>(left.count(), kLongest));
        patience = patience < 0 ? until : std::min(patience, until);
      }
      const int ready = ::poll(waiting.data(), waiting.size(), patience);
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
        Client::LogNews news = source.client->log_news();
        if (news.files) source.files = std::move(news.files->files);
        changed = changed || news.files;
        show(news.events);
      } catch (const Error&) {
        source.client.reset();  // the files go on without the daemon
      }
    }
    if (changed) view_.set_files(entries_of(sources_, wanted_));
  }

  void show(const protocol::Logs::Events& news) {
    if (news.missed > 0)
      context_.output.warn(fmt::format("{} process events came too fast to be told", news.missed));
    std::vector<LogEvent> events;
    for (const protocol::Logs::Event& event : news.events) {
      events.push_back(
          {event.pm_id, event.name, event.event, LogTime(std::chrono::milliseconds(event.at))});
    }
    view_.show_events(events);
  }

  void reconnect() {
    for (Source& source : sources_) {
      if (source.client) continue;
      try {
        std::optional<Client> client = Client::connect(context_.paths().socket());
        if (!client) continue;
        source.files = client
                           ->call<protocol::Logs>(
                               {.target = source.target, .follow = true, .events = wanted_.events})
                           .files;
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

namespace {

struct LogOptions {
  bool raw = false;
  bool json = false;
  bool logfmt = false;
  bool nostream = false;
  bool ignore_case = false;
  bool invert = false;
  std::optional<int> lines;
  std::optional<std::string> highlight, since, until, pattern;

  void declare(Arguments& arguments, Wanted& wanted, LogViewOptions& view);
  // Throws UsageError, or Error(invalid_request) for a pattern.
  void apply(Wanted& wanted, LogViewOptions& view) const;
};

// As its lines are marked; pm2's name for it too. An app of that name comes first.
bool means_daemon(Context& context, const std::optional<std::string>& target) {
  const bool is_ours = target == "PMX" || target == "pmx" || target == "PM2" || target == "pm2";
  return is_ours && context.find(*target).empty();
}

// For `--timestamp FORMAT TARGET` and `--timestamp TARGET`: nothing but letters of dates in it.
bool is_date_format(std::string_view word) {
  constexpr std::string_view kLetters = "YMDHhmsSAaZXxT";
  const bool is_plain = std::ranges::all_of(word, [&](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) == 0 ||
           kLetters.find(c) != std::string_view::npos;
  });
  const auto has = [word](std::string_view token) { return word.find(token) != word.npos; };
  return (is_plain || has("[")) && (has("YY") || has("HH") || has("hh") || has("mm") || has("DD"));
}

std::optional<LogTime> time_option(const char* option, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto time = parse_log_time(*text, std::chrono::system_clock::now());
  if (time) return time;
  throw UsageError(fmt::format("{} {}: not a time", option, *text),
                   "10m, 2h or 1d ago, 2026-11-28, \"2026-11-28 03:04:05\", 03:04");
}

void LogOptions::declare(Arguments& arguments, Wanted& wanted, LogViewOptions& view) {
  arguments.words("target", wanted.targets, 0, Arguments::kAny);
  arguments.number("--lines", lines, "N", "lines of history per file (15); 0: new ones only");
  arguments.flag("--nostream", nostream, "history only, then end");
  arguments.flag("--raw", raw, "bare lines, those of error logs to stderr");
  arguments.flag("--err", wanted.only_err, "error logs only");
  arguments.flag("--out", wanted.only_out, "out logs only");
  arguments.flag_with_text("--timestamp", view.timestamp, "YYYY-MM-DD-HH:mm:ss",
                           "arrival time before each line; also --timestamp FORMAT",
                           is_date_format);
  arguments.text("--highlight", highlight, "TEXT", "mark this text");
  arguments.flag("--json", json, "an object for each line, and for what processes do");
  arguments.flag("--format", logfmt, "timestamp=... app=... id=... type=... message=...");
  arguments.text("--since", since, "TIME",
                 "written since then: 10m, 2h, 1d ago, 2026-11-28, \"2026-11-28 03:04:05\", 03:04");
  arguments.text("--until", until, "TIME", "written until then");
  arguments.text("--grep", pattern, "REGEX", "lines in which this is found (as grep -E)");
  arguments.flag("-i,--ignore-case", ignore_case, "with --grep: capitals or not");
  arguments.flag("--invert", invert, "with --grep: lines in which it is not found");
}

void LogOptions::apply(Wanted& wanted, LogViewOptions& view) const {
  if (lines && *lines < 0) throw UsageError("--lines needs a number from 0 on");
  if ((ignore_case || invert) && !pattern)
    throw UsageError(ignore_case ? "--ignore-case needs --grep" : "--invert needs --grep");
  if (wanted.only_err && wanted.only_out) wanted.only_err = wanted.only_out = false;
  view.lines = static_cast<std::size_t>(lines.value_or(kDefaultLines));
  // A time says how much is wanted.
  if (since && !lines) view.lines.reset();
  view.highlight = highlight.value_or("");
  view.filter.since = time_option("--since", since);
  view.filter.until = wanted.until = time_option("--until", until);
  if (since && until && *view.filter.since > *view.filter.until)
    throw UsageError("--since is later than --until");
  if (pattern) view.filter.set_pattern(*pattern, ignore_case, invert);
  if (raw) view.format = LogFormat::raw;
  if (logfmt) view.format = LogFormat::logfmt;
  if (json) view.format = LogFormat::json;
  wanted.events = json && !wanted.only_err && !wanted.only_out;
}

}  // namespace

int run_logs(Context& context, Arguments& arguments) {
  Wanted wanted;
  LogViewOptions view_options;
  LogOptions options;
  options.declare(arguments, wanted, view_options);
  context.parse(arguments);
  context.output.stream();
  options.apply(wanted, view_options);
  view_options.colour = context.output.colours();
  wanted.daemon_log = context.paths().log();
  const bool follows =
      !options.nostream && (!wanted.until || *wanted.until > std::chrono::system_clock::now());

  std::vector<Source> sources;
  if (wanted.targets.empty()) sources.emplace_back();
  for (const std::string& target : wanted.targets) {
    Source& source = sources.emplace_back();
    if (target != "all") source.target = target;  // all may be none yet
  }
  context.daemon();  // starts one if need be
  wanted.daemon_named = std::erase_if(sources, [&](const Source& source) {
                          return means_daemon(context, source.target);
                        }) != 0;
  for (Source& source : sources) {
    source.client = Client::connect(context.paths().socket());
    if (!source.client) throw Error(ErrorCode::unavailable, "the daemon has just gone");
    source.files =
        source.client
            ->call<protocol::Logs>(
                {.target = source.target, .follow = follows, .events = follows && wanted.events})
            .files;
    if (source.target && source.files.empty()) {
      throw Error(ErrorCode::not_found, fmt::format("{} does not exist", *source.target),
                  "pmx list shows what does");
    }
  }

  LogView view(view_options, stdout, stderr);
  view.set_files(entries_of(sources, wanted));
  view.print_history();
  std::fflush(stdout);
  if (follows) Follower(context, wanted, std::move(sources), view).run();
  return 0;
}

}  // namespace pmx::cli
