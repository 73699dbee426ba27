#include "common/config/watch_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/config/json_values.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

// How that library works inside, or what is so here in any case.
constexpr std::array<std::string_view, 10> kWithoutMeaning{
    "alwaysStat", "atomic",     "binaryInterval",         "disableGlobbing", "ignoreInitial",
    "interval",   "persistent", "ignorePermissionErrors", "useFsEvents",     "cwd"};
constexpr Millis kDefaultThreshold{2000};  // of awaitWriteFinish

bool set_write_finish(const Json& value, AppSpec& options) {
  Millis threshold{0};
  if (value.is_object()) {
    const auto wish = value.find("stabilityThreshold");
    threshold = kDefaultThreshold;
    if (wish != value.end() && !values::read(*wish, threshold)) return false;
  } else if (value.is_boolean()) {
    if (value == true) threshold = kDefaultThreshold;
  } else {
    return false;
  }
  // `watch_delay` itself is read before: keys come in the order of the alphabet.
  if (options.watch_delay == Millis{0}) options.watch_delay = threshold;
  return true;
}

}  // namespace

bool set_watch_options(const Json& value, LaunchRequest& app) {
  if (!value.is_object()) return false;
  for (const auto& [name, wish] : value.items()) {
    if (name == "ignored") {
      std::vector<std::string> patterns;
      if (!values::read(wish, patterns)) return false;
      std::vector<std::string>& all = app.options.ignore_watch;
      all.insert(all.end(), patterns.begin(), patterns.end());
    } else if (name == "awaitWriteFinish") {
      if (!set_write_finish(wish, app.options)) return false;
    } else if (name == "followSymlinks") {
      if (wish == true)
        app.remarks.emplace_back(
            "followSymlinks: symbolic links inside a tree are not followed; name their targets in "
            "\"watch\"");
    } else if (name == "usePolling") {
      if (wish == true)
        app.remarks.emplace_back("usePolling: the kernel reports changes, nothing is polled");
    } else if (std::ranges::find(kWithoutMeaning, name) == kWithoutMeaning.end()) {
      app.remarks.push_back(fmt::format("{}: it has no meaning here", name));
    }
  }
  return true;
}

}  // namespace pmx
