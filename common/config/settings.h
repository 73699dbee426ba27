// The key/value store of `set` and `get`: one JSON file of nested objects whose leaves are texts, in
// pm2's shape ("module_conf.json"). A key is "name", "app:name" or "app.name", and deeper.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/model/app_spec.h"
#include "common/sys/flock.h"

namespace pmx {

class Settings {
 public:
  static constexpr std::size_t kMaxLevels = 8;

  // Nothing if there is no such file. Throws Error(invalid_spec) if it is no object of texts and
  // objects, std::system_error.
  static Settings load(const std::string& path);
  // Loads, has `act` change it and replaces the file (0600), alone among all who do so. What
  // `act` throws leaves the file as it was.
  template <class Act>
  static Settings change(const std::string& path, Act act) {
    const sys::FileLock lock = sys::FileLock::acquire(path + ".lock");
    Settings settings = load(path);
    act(settings);
    settings.save(path);
    return settings;
  }

  // Throws Error(invalid_request): an empty part, too many, or a value where keys are and the other
  // way round.
  void set(std::string_view key, const std::string& value);
  // With all below it, or with "all" everything. False: there is none.
  bool unset(std::string_view key);
  [[nodiscard]] std::optional<std::string> get(std::string_view key) const;

  // Whole keys, parts joined by ':', with values; all, or those below `name`.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> entries(
      std::string_view name = {}) const;
  // What stands directly below an app's name: variables for it.
  [[nodiscard]] Env variables_of(const std::string& app) const;

  // "a.b" and "a:b" are the same key.
  static std::vector<std::string> parts_of(std::string_view key);

 private:
  void save(const std::string& path) const;

  std::map<std::vector<std::string>, std::string> values_;
};

}  // namespace pmx
