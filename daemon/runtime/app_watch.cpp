#include "daemon/runtime/app_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace pmx {
namespace {

// One save of an editor or a formatter is several changes within some ten milliseconds.
constexpr Millis kDefaultDelay{200};
// What never comes to rest, e.g. a file that something writes all the time.
constexpr Millis kLeastLongest{10'000};
constexpr int kLongestDelays = 10;
constexpr std::chrono::seconds kPatience{5};

Millis delay_of(const AppSpec& spec) {
  return spec.watch_delay > Millis{0} ? spec.watch_delay : kDefaultDelay;
}

Debounce debounce_of(const AppSpec& spec) {
  return {delay_of(spec), std::max(kLeastLongest, kLongestDelays * delay_of(spec))};
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

AppSpec wish_of(const AppSpec& spec) {
  AppSpec wish;
  wish.cwd = without_slash(spec.cwd);
  wish.watch_paths = spec.watch_paths.empty() ? std::vector{spec.cwd} : spec.watch_paths;
  for (std::string& path : wish.watch_paths) path = without_slash(path);
  wish.ignore_watch = spec.ignore_watch;
  wish.watch_delay = spec.watch_delay;
  return wish;
}

// nullopt: it is not `directory` or below it. "": it is.
std::optional<std::string> relative(const std::string& path, const std::string& directory) {
  if (path == directory) return "";
  const std::string prefix = directory == "/" ? directory : directory + "/";
  if (!path.starts_with(prefix)) return std::nullopt;
  return path.substr(prefix.size());
}

std::string joined(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", name);
}

// pmx's own, should its home be below the directory or above it.
std::vector<std::string> files_of_home(const std::string& home) {
  std::vector<std::string> files{home + "/"};
  for (const char* const name :
       {"/pmx.", "/app.sock", "/unit.sock", "/logs/", "/pids/", "/dump.pmx", "/node-drain.cjs"}) {
    files.push_back(home + name);
  }
  return files;
}

IgnorePatterns patterns_of(const std::string& base, const AppSpec& wish, const std::string& home) {
  std::optional<std::vector<std::string>> list;
  if (!wish.ignore_watch.empty()) list = wish.ignore_watch;
  return IgnorePatterns::of_watch(base, list, files_of_home(home));
}

}  // namespace

AppWatch::AppWatch(const Ports& ports, const AppSpec& spec, Actions actions)
    : ports_(ports),
      wish_(wish_of(spec)),
      actions_(std::move(actions)),
      debounce_(debounce_of(spec)),
      rest_timer_(ports.io),
      patience_timer_(ports.io) {
  pattern_problems_ = patterns_of(wish_.cwd, wish_, ports_.home).problems();
  for (const std::string& problem : pattern_problems_) actions_.warn(problem);
  for (const std::string& path : wish_.watch_paths) {
    const auto shown = relative(path, wish_.cwd);
    paths_.push_back({path, shown.value_or(path), {}, {}});
  }
  left_to_begin_ = paths_.size();
  for (Path& path : paths_) watch(path);
  patience_timer_.expires_after(kPatience);
  patience_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (error || alive.expired()) return;
    set_begun();
  });
}

AppWatch::~AppWatch() = default;

bool AppWatch::fits(const AppSpec& spec) const { return wish_ == wish_of(spec); }

void AppWatch::watch(Path& path) {
  const auto below_cwd = relative(path.path, wish_.cwd);
  std::string base = below_cwd ? wish_.cwd : path.path;
  std::string prefix = below_cwd.value_or("");
  auto patterns = std::make_shared<const IgnorePatterns>(patterns_of(base, wish_, ports_.home));
  if (!prefix.empty() && patterns->ignores(prefix, true)) {
    base = path.path;
    prefix.clear();
    patterns = std::make_shared<const IgnorePatterns>(patterns_of(base, wish_, ports_.home));
  }
  WatchRequest request;
  request.path = path.path;
  request.ignored = [patterns, prefix](std::string_view below, bool is_directory) {
    return patterns->ignores(joined(prefix, below), is_directory);
  };
  WatchEvents events;
  events.changed = [this, &path](const std::string& below) { changed(path, below); };
  events.problem = [this, &path](const std::string& text) {
    path.problem = text;
    if (!text.empty()) actions_.warn(text);
    actions_.state_changed();
  };
  events.begun = [this] {
    if (left_to_begin_ > 0 && --left_to_begin_ == 0) set_begun();
  };
  path.watch = ports_.files.watch(std::move(request), std::move(events));
}

void AppWatch::set_begun() {
  left_to_begin_ = 0;
  patience_timer_.cancel();
  actions_.state_changed();
}

std::string AppWatch::problem() const {
  std::vector<std::string> all = pattern_problems_;
  for (const Path& path : paths_) {
    if (!path.problem.empty()) all.push_back(path.problem);
  }
  if (!failure_.empty()) all.push_back(failure_);
  return fmt::format("{}", fmt::join(all, "; "));
}

void AppWatch::changed(const Path& path, const std::string& below) {
  const bool itself = below == ".";
  const std::string absolute = itself ? path.path : joined(path.path, below);
  const std::vector<std::string> own = actions_.own_files();
  if (std::ranges::any_of(own, [&](const std::string& each) { return absolute.starts_with(each); }))
    return;
  std::string shown = itself ? path.shown : joined(path.shown, below);
  if (shown.empty()) shown = path.path;
  last_change_ = ports_.clock.now();
  debounce_.add(shown, last_change_);
  arm();
}

void AppWatch::arm() {
  const auto due = debounce_.due();
  if (!due) return;
  rest_timer_.expires_at(*due);
  rest_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) on_time();
  });
}

void AppWatch::on_time() {
  const auto due = debounce_.due();
  if (!due || ports_.clock.now() < *due) return;
  Debounce kept = debounce_;
  const std::string why = debounce_.take() + " changed";
  failure_.clear();
  put_off_ = !actions_.restart(why, last_change_);
  if (put_off_) debounce_ = std::move(kept);
}

void AppWatch::resume() {
  if (std::exchange(put_off_, false)) arm();
}

void AppWatch::failed(const std::string& why) {
  failure_ = why;
  actions_.state_changed();
}

}  // namespace pmx
