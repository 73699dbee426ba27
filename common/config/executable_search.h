// Finding programs, and telling what kind of file a script is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pmx {

// The directories of a PATH variable; relative entries count from `base_dir` (absolute).
class ExecutableSearch {
 public:
  ExecutableSearch(std::string path_variable, std::string base_dir)
      : path_(std::move(path_variable)), base_dir_(std::move(base_dir)) {}

  // Absolute path of the first executable file with that name. A name with a slash is a path of its
  // own, relative to base_dir. nullopt: there is none.
  [[nodiscard]] std::optional<std::string> find(std::string_view name) const;

 private:
  std::string path_;
  std::string base_dir_;
};

enum class FileContent { elf, binary, shebang, text };

struct ScriptFile {
  FileContent content = FileContent::text;  // by the first bytes; unreadable: binary
  bool executable = false;                  // by this user
  std::string shebang;                      // first line without "#!"
};
// Throws std::system_error if the file can be neither read nor executed.
ScriptFile inspect_script(const std::string& path);

// Absolute and without "." and ".." parts; "~" and "~/..." are `home_dir` if that is not empty.
std::string absolute_path(std::string_view path, const std::string& base_dir,
                          std::string_view home_dir = {});

}  // namespace pmx
