// pmx set, get, unset, multiset and conf: the key/value store. Needs no daemon; a key "app:name"
// is a variable of the app of that name, which is restarted with it if it is there.
#include "common/config/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/commands/log_defaults.h"
#include "cli/commands/targets.h"
#include "cli/render/describe.h"
#include "common/config/log_defaults.h"
#include "common/config/words.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

constexpr std::string_view kLogRotation = "pm2-logrotate";

// Lines that can be pasted, one block for each app.
void show(Context& context, const Settings& settings, const std::string& name) {
  std::string module;
  for (const auto& [key, value] : settings.entries(name)) {
    const std::size_t colon = key.find(':');
    const std::string first = colon == std::string::npos ? std::string() : key.substr(0, colon);
    if (first != module && !first.empty())
      context.output.payload(fmt::format("Module: {}\n", first));
    module = first;
    context.output.payload(fmt::format("$ pmx set {} {}\n", shell_word(key), shell_word(value)));
  }
}

// The app that a key is of, if there is one in the key.
std::string app_of(const std::string& key) {
  const std::vector<std::string> parts = Settings::parts_of(key);
  return parts.size() > 1 ? parts.front() : std::string();
}

// What runs under that name gets its variables now; without a daemon, at its next start.
void restart(Context& context, const std::string& app, const Settings& settings) {
  if (app.empty() || context.running_daemon() == nullptr) return;
  const auto all = context.list_all();
  if (std::ranges::none_of(all, [&](const InstanceStatus& one) { return one.name == app; })) return;
  act_on(context, "Restarting", app, [&](const std::string& one) {
    return context.daemon().call<protocol::Restart>(
        {.target = one, .env = settings.variables_of(app)});
  });
}

// Has the apps follow what has become of the defaults of log rotation. If the daemon refuses it, the
// `keys` are as in `before` again.
bool follow(Context& context, const Settings& before, const Settings& after,
            const std::vector<std::string>& keys) {
  try {
    return apply_log_defaults(context, pmx::default_log_limits(before),
                              pmx::default_log_limits(after));
  } catch (const Error&) {
    Settings::change(context.paths().settings(), [&](Settings& all) {
      for (const std::string& key : keys) {
        const auto value = before.get(key);
        if (value) {
          all.set(key, *value);
        } else {
          all.unset(key);
        }
      }
    });
    throw;
  }
}

int set(Context& context, const std::vector<std::string>& words) {
  std::vector<std::string> apps;
  std::vector<std::string> defaults;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (!is_log_default(words[i])) continue;
    check_log_default(words[i], words[i + 1]);
    defaults.push_back(words[i]);
  }
  const Settings before = Settings::load(context.paths().settings());
  const Settings settings = Settings::change(context.paths().settings(), [&](Settings& all) {
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) all.set(words[i], words[i + 1]);
  });
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string app = app_of(words[i]);
    if (std::ranges::find(apps, app) == apps.end()) apps.push_back(app);
  }
  const bool all_well = defaults.empty() || follow(context, before, settings, defaults);
  context.output.info("Setting changed");
  for (const std::string& app : apps) {
    restart(context, app, settings);
    show(context, settings, app);
  }
  if (!defaults.empty()) {
    const LogLimits limits = pmx::default_log_limits(settings);
    if (limits.max_size == 0 && limits.interval.empty())
      context.output.remark(
          "log files are put aside once pm2-logrotate:max_size or rotateInterval is set, or an app "
          "says so");
  }
  return all_well ? 0 : 1;
}

int get(Context& context, const std::string& key) {
  const Settings settings = Settings::load(context.paths().settings());
  if (key.empty() || key == "all") {
    show(context, settings, "");
    return 0;
  }
  const auto value = settings.get(key);
  const std::vector<std::string> parts = Settings::parts_of(key);
  if (value && parts.size() > 1) {
    std::string rest = parts[1];
    for (std::size_t i = 2; i < parts.size(); ++i) rest += ":" + parts[i];
    context.output.payload(
        fmt::format("Value for module {} key {}: {}\n", parts.front(), rest, *value));
    return 0;
  }
  if (settings.entries(key).empty())
    throw Error(ErrorCode::not_found, fmt::format("{} is not set", key), "pmx get shows what is");
  show(context, settings, key);
  return 0;
}

// Replaces pmx by the user's editor.
int edit(Context& context) {
  const std::string path = context.paths().settings();
  context.paths().ensure_home();
  if (!sys::read_file(path)) sys::replace_file(path, "{}\n", 0600);
  const char* editor = std::getenv("VISUAL");
  if (editor == nullptr || *editor == '\0') editor = std::getenv("EDITOR");
  std::vector<std::string> words = split_words(editor == nullptr ? "" : editor);
  if (words.empty()) words = {"vi"};
  words.push_back(path);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("start {} (VISUAL and EDITOR say which)", words.front()));
}

}  // namespace

int run_set(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("key and value", words, 0, 2);
  context.parse(arguments);
  if (words.empty() && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0)
    return edit(context);
  if (words.empty())
    throw UsageError("set needs a key and a value",
                     "pmx set app:name value; pmx get shows what is set; in a terminal `pmx set` "
                     "opens an editor");
  if (words.size() == 1) throw UsageError("set needs a key and a value", "pmx set app:name value");
  context.paths().ensure_home();
  return set(context, words);
}

int run_multiset(Context& context, Arguments& arguments) {
  std::vector<std::string> texts;
  arguments.words("\"key value key value\"", texts, 1, Arguments::kAny);
  context.parse(arguments);
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    // One text of all, as pm2 has it, or one word each.
    const std::vector<std::string> more =
        texts.size() == 1 ? split_words(text) : std::vector<std::string>{text};
    words.insert(words.end(), more.begin(), more.end());
  }
  if (words.empty() || words.size() % 2 != 0)
    throw UsageError("multiset needs keys and values in turn", "pmx multiset \"app:a 1 app:b 2\"");
  context.paths().ensure_home();
  return set(context, words);
}

int run_get(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("key", words, 0, 1);
  context.parse(arguments);
  return get(context, words.empty() ? "" : words.front());
}

int run_conf(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("key and value", words, 0, 2);
  context.parse(arguments);
  if (words.size() < 2) return get(context, words.empty() ? "" : words.front());
  context.paths().ensure_home();
  return set(context, words);
}

int run_unset(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("key", words, 1, 1);
  context.parse(arguments);
  bool found = false;
  const std::string path = context.paths().settings();
  bool all_well = true;
  if (sys::read_file(path)) {
    const Settings before = Settings::load(path);
    const Settings settings =
        Settings::change(path, [&](Settings& all) { found = all.unset(words.front()); });
    if (before.entries(kLogRotation) != settings.entries(kLogRotation))
      all_well = follow(context, before, settings, {});
    show(context, settings, "");
  }
  if (!found) context.output.warn(fmt::format("{} was not set", words.front()));
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
