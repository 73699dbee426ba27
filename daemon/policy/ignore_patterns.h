// IgnorePatterns: which paths of a watched tree do not matter. Pure.
//
// Patterns are those of gitignore(5): a later one wins, `!` takes back, `/` at the end is for
// directories, a `/` before that ties the pattern to the root, `*` `?` `[a-z]` stay within a name,
// `**` does not; and nothing below an ignored directory is taken back. Upper and lower case differ.
//
// Besides, what is found in ecosystem files written for pm2:
//   "./logs", "/srv/app/logs"   relative to the root
//   "*.{log,tmp}"               one pattern for each
//   "data/.*"                   everything in data (also ".*" alone: names with a dot in front)
//   "[\/\\]\.|node_modules"     a regular expression: found by \. \/ \d, a class with a slash, `|`,
//                               `^` in front or `$` at the end. It may match any part of
//                               "/path/of/the/file", and `^` is its beginning. Literal characters,
//                               . .* .+ classes \d \w \s and `|` are understood.
//   "[\/\\]\./"                 names with a dot in front. pm2's documents have it, and no path
//                               has "/./" in it
// What is not understood is told by problems().
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

class IgnorePatterns {
 public:
  // `root`: the absolute directory that patterns and paths are relative to. Ignores nothing yet.
  explicit IgnorePatterns(std::string root);
  // What a watch ignores: .git, node_modules and what editors leave for a moment; unless the user
  // has a list, names with a dot in front, as in pm2; the user's `list`; and `own_files`.
  static IgnorePatterns of_watch(std::string root,
                                 const std::optional<std::vector<std::string>>& list,
                                 const std::vector<std::string>& own_files);

  void add(std::string_view pattern);
  // An absolute path, and those that begin with it ("app.log.1"); with a `/` at the end a directory
  // and everything in it. No pattern takes it back.
  void add_file(std::string_view path);

  // `path` is relative to the root: "src/app.js".
  [[nodiscard]] bool ignores(std::string_view path, bool is_directory) const;
  // For each pattern that is not understood: which, why, and what to write.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  friend class PatternParser;

  struct Token {
    enum class Kind {
      one_of,       // a character of `set`
      run_of,       // any number of them
      directories,  // nothing, or anything up to a slash
    };
    Kind kind = Kind::one_of;
    std::bitset<256> set;
  };
  struct Pattern {
    std::vector<Token> tokens;
    bool negated = false;
    bool directories_only = false;
    bool name_only = false;      // is matched with the last part of the path
    bool leading_slash = false;  // is matched with "/" + path
  };

  [[nodiscard]] bool ignores_itself(std::string_view path, bool is_directory) const;
  static bool matches(const Pattern& pattern, std::string_view text);

  std::string root_;
  std::vector<Pattern> patterns_;
  std::vector<std::string> own_files_;  // relative
  std::vector<std::string> problems_;
};

}  // namespace pmx
