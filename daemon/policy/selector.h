// Selector: which instances a command is about. Parsed once, resolved in one place, by pm2's rules:
//
//   all        every instance
//   /re/       name matches the ECMAScript expression (searched, not anchored; slashes inside are
//   removed) text       name or script path equals it; if none does, namespace equals it; if none
//   does and it reads `ns:web`, namespace "web" number     name equals it; if none does, namespace;
//   if none does, the id
//
// The first rule that finds anything decides alone; categories never mix.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

struct SelectorTarget {
  int pm_id = 0;
  std::string_view name;
  std::string_view name_space;
  std::string_view script;  // absolute path
};

class Selector {
 public:
  // Longest accepted expression, in bytes: the library's parser recurses.
  static constexpr std::size_t kMaxExpressionLength = 512;

  // Throws Error(invalid_request) for an empty text and for an invalid expression, also one with
  // back-references, whose running time has no good bound.
  static Selector parse(std::string_view text);

  // Ids of the selected targets, ascending; empty if nothing matches. `cwd`: absolute, of the
  // caller, for relative script paths.
  [[nodiscard]] std::vector<int> resolve(const std::vector<SelectorTarget>& targets,
                                         std::string_view cwd) const;

  // As given to parse.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  bool all_ = false;
  std::optional<std::regex> expression_;
  std::optional<int> number_;
};

}  // namespace pmx
