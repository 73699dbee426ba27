#include "daemon/policy/ignore_patterns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace pmx {
namespace {

// Swap and backup files of vi, Emacs, JetBrains' editors, Kate and others. 4913 is vi's probe.
constexpr std::array kAlwaysIgnored = {".git",
                                       "node_modules",
                                       "*~",
                                       "*.sw?",
                                       ".*.sw?",
                                       "4913",
                                       "#*#",
                                       ".#*",
                                       "*___jb_tmp___",
                                       "*___jb_old___",
                                       ".DS_Store",
                                       "*.kate-swp",
                                       ".goutputstream-*"};

constexpr std::size_t kMaxAlternatives = 64;

using Set = std::bitset<256>;

std::size_t index(char c) { return static_cast<unsigned char>(c); }
Set only(char c) { return Set{}.set(index(c)); }
Set any_character() { return ~Set{}; }
Set within_name() { return ~only('/'); }

// The members of a class by their C names: "alpha", "digit", ...
std::optional<Set> named_class(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, int (*)(int)>, 10> kClasses = {
      {{"alnum", std::isalnum},
       {"alpha", std::isalpha},
       {"blank", std::isblank},
       {"digit", std::isdigit},
       {"graph", std::isgraph},
       {"lower", std::islower},
       {"print", std::isprint},
       {"punct", std::ispunct},
       {"space", std::isspace},
       {"upper", std::isupper}}};
  const auto* const found =
      std::ranges::find(kClasses, name, [](const auto& each) { return each.first; });
  if (found == kClasses.end()) return std::nullopt;
  Set set;
  for (std::size_t c = 0; c < 128; ++c) set[c] = found->second(static_cast<int>(c)) != 0;
  return set;
}

// "a{b,c{d,e}}" to "ab", "acd", "ace". Braces without a comma stay.
void expand_braces(const std::string& pattern, std::vector<std::string>& to) {
  for (std::size_t open = pattern.find('{'); open != std::string::npos;
       open = pattern.find('{', open + 1)) {
    if (open > 0 && pattern[open - 1] == '\\') continue;
    std::vector<std::size_t> cuts{open};
    int depth = 0;
    for (std::size_t i = open; i < pattern.size(); ++i) {
      if (pattern[i] == '{') ++depth;
      if (pattern[i] == ',' && depth == 1) cuts.push_back(i);
      if (pattern[i] == '}' && --depth == 0) {
        cuts.push_back(i);
        break;
      }
    }
    if (depth != 0 || cuts.size() < 3) continue;
    for (std::size_t i = 0; i + 1 < cuts.size() && to.size() < kMaxAlternatives; ++i) {
      expand_braces(pattern.substr(0, open) +
                        pattern.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1) +
                        pattern.substr(cuts.back() + 1),
                    to);
    }
    return;
  }
  to.push_back(pattern);
}

bool looks_like_regex(std::string_view text) {
  if (text.starts_with('^') || text.find('|') != std::string_view::npos) return true;
  if (text.ends_with('$') && !text.ends_with("\\$")) return true;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    if (std::string_view("./dws").find(text[i + 1]) != std::string_view::npos) return true;
    ++i;
  }
  // A glob's class never matches a slash.
  const std::size_t open = text.find('[');
  const std::size_t slash = text.find('/', open);
  return open != std::string_view::npos && slash < text.find(']', open);
}

}  // namespace

class PatternParser {
 public:
  using Token = IgnorePatterns::Token;
  using Pattern = IgnorePatterns::Pattern;

  explicit PatternParser(std::string_view text) : text_(text) {}

  Pattern glob() {
    if (take_if('!')) pattern_.negated = true;
    while (text_.ends_with('/')) {
      pattern_.directories_only = true;
      text_.remove_suffix(1);
    }
    pattern_.name_only = text_.find('/') == std::string_view::npos;
    take_if('/');
    for (bool name_begins = true, next_begins = false; !text_.empty(); name_begins = next_begins) {
      next_begins = text_[0] == '/';
      if (name_begins && text_.starts_with("**/")) {
        text_.remove_prefix(3);
        push({Token::Kind::directories, {}});
        next_begins = true;
      } else if (name_begins && text_ == "**") {
        text_ = {};
        push({Token::Kind::run_of, any_character()});
      } else if (text_[0] == '*') {
        while (take_if('*')) {
        }
        push({Token::Kind::run_of, within_name()});
      } else if (take_if('?')) {
        push({Token::Kind::one_of, within_name()});
      } else if (!glob_class()) {
        if (text_[0] == '\\' && text_.size() > 1) text_.remove_prefix(1);
        push({Token::Kind::one_of, only(take())});
      }
    }
    return std::move(pattern_);
  }

  // nullopt: `why()` tells what is not understood.
  std::optional<Pattern> regex() {
    pattern_.leading_slash = true;
    const bool anchored = take_if('^');
    if (!anchored) push({Token::Kind::run_of, any_character()});
    if (anchored && !text_.starts_with('/') && !text_.starts_with("\\/")) push_literal('/');
    const bool to_the_end = text_.ends_with('$') && !text_.ends_with("\\$");
    if (to_the_end) text_.remove_suffix(1);

    const std::size_t begin = pattern_.tokens.size();
    while (!text_.empty()) {
      const auto set = regex_atom();
      if (!set) return std::nullopt;
      if (take_if('*')) {
        push({Token::Kind::run_of, *set});
        continue;
      }
      push({Token::Kind::one_of, *set});
      if (take_if('+')) push({Token::Kind::run_of, *set});
    }
    drop_slash_of_dot_slash(begin);
    if (!to_the_end) push({Token::Kind::run_of, any_character()});
    return std::move(pattern_);
  }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  char take() {
    const char c = text_[0];
    text_.remove_prefix(1);
    return c;
  }
  bool take_if(char expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void push(Token token) { pattern_.tokens.push_back(token); }
  void push_literal(char c) { push({Token::Kind::one_of, only(c)}); }

  // "[!a-z]"; false: a bracket that stands for itself.
  bool glob_class() {
    auto set = bracket(true);
    if (!set) return false;
    push({Token::Kind::one_of, *set & within_name()});
    return true;
  }

  std::optional<Set> bracket(bool glob) {
    const std::string_view kept = text_;
    if (!take_if('[')) return std::nullopt;
    const bool negated = take_if('^') || (glob && take_if('!'));
    Set set;
    for (bool first = true; !text_.empty(); first = false) {
      if (!first && take_if(']')) return negated ? ~set : set;
      if (!glob && text_.starts_with(']')) break;
      if (const std::size_t end = text_.find(":]");
          text_.starts_with("[:") && end != std::string_view::npos) {
        const auto named = named_class(text_.substr(2, end - 2));
        if (!named) break;
        set |= *named;
        text_.remove_prefix(end + 2);
        continue;
      }
      const bool shorthand = !glob && text_[0] == '\\' && text_.size() > 1;
      if (const auto named = shorthand ? shorthand_set(text_[1]) : std::nullopt) {
        set |= *named;
        text_.remove_prefix(2);
        continue;
      }
      const std::size_t from = index(bracket_character());
      std::size_t to = from;
      if (text_.size() > 1 && text_[0] == '-' && text_[1] != ']') {
        take();
        to = index(bracket_character());
      }
      for (std::size_t c = from; c <= to; ++c) set.set(c);
    }
    text_ = kept;
    return std::nullopt;
  }
  char bracket_character() {
    if (text_[0] == '\\' && text_.size() > 1) take();
    return take();
  }

  static std::optional<Set> shorthand_set(char letter) {
    switch (letter) {
      case 'd':
        return named_class("digit");
      case 's':
        return named_class("space");
      case 'w':
        return *named_class("alnum") | only('_');
      default:
        return std::nullopt;
    }
  }

  std::optional<Set> regex_atom() {
    if (text_[0] == '[') {
      const auto set = bracket(false);
      if (!set) why_ = "a class that is not closed";
      return set;
    }
    if (take_if('.')) return any_character();
    if (text_[0] == '\\' && text_.size() > 1) {
      take();
      const char escaped = take();
      if (const auto set = shorthand_set(escaped)) return set;
      if (std::isalnum(static_cast<unsigned char>(escaped)) == 0) return only(escaped);
      why_ = fmt::format("\\{}", escaped);
      return std::nullopt;
    }
    if (std::string_view("()*+?{}^$\\").find(text_[0]) != std::string_view::npos) {
      why_ = text_[0];
      return std::nullopt;
    }
    return only(take());
  }

  void drop_slash_of_dot_slash(std::size_t begin) {
    auto& tokens = pattern_.tokens;
    if (tokens.size() == begin + 3 && tokens[begin].set[index('/')] &&
        tokens[begin + 1].set == only('.') && tokens[begin + 2].set == only('/')) {
      tokens.pop_back();
    }
  }

  std::string_view text_;
  Pattern pattern_;
  std::string why_;
};

IgnorePatterns::IgnorePatterns(std::string root) : root_(std::move(root)) {
  while (root_.size() > 1 && root_.ends_with('/')) root_.pop_back();
  if (root_ != "/") root_ += '/';
}

IgnorePatterns IgnorePatterns::of_watch(std::string root,
                                        const std::optional<std::vector<std::string>>& list,
                                        const std::vector<std::string>& own_files) {
  IgnorePatterns patterns(std::move(root));
  for (const char* const pattern : kAlwaysIgnored) patterns.add(pattern);
  if (!list) patterns.add(".*");
  for (const std::string& pattern : list.value_or(std::vector<std::string>{})) {
    patterns.add(pattern);
  }
  for (const std::string& path : own_files) patterns.add_file(path);
  return patterns;
}

void IgnorePatterns::add(std::string_view pattern) {
  if (looks_like_regex(pattern)) {
    std::vector<Pattern> alternatives;
    std::string why;
    for (std::string_view rest = pattern; why.empty();) {
      const std::size_t bar = std::min(rest.find('|'), rest.size());
      PatternParser parser(rest.substr(0, bar));
      auto alternative = parser.regex();
      if (!alternative) why = parser.why();
      if (alternative && bar > 0) alternatives.push_back(*std::move(alternative));
      if (bar == rest.size()) break;
      rest.remove_prefix(bar + 1);
    }
    if (why.empty()) {
      patterns_.insert(patterns_.end(), alternatives.begin(), alternatives.end());
    } else {
      problems_.push_back(fmt::format(
          "ignore pattern '{}' looks like a regular expression, and {} in it is not understood; "
          "write it as in .gitignore",
          pattern, why));
    }
    return;
  }

  std::string glob(pattern);
  const bool negated = glob.starts_with('!');
  std::string rest = glob.substr(negated ? 1 : 0);
  if (rest.starts_with(root_)) rest.erase(0, root_.size() - 1);
  while (rest.starts_with("./")) {
    rest.erase(0, 1);  // the slash ties it to the root, as pm2 does
  }
  if (rest.ends_with("/.*")) rest.replace(rest.size() - 2, 2, "**");
  if (rest.find_first_not_of('/') == std::string::npos) return;
  std::vector<std::string> globs;
  expand_braces(rest, globs);
  for (const std::string& each : globs) {
    patterns_.push_back(PatternParser(negated ? "!" + each : each).glob());
  }
}

void IgnorePatterns::add_file(std::string_view path) {
  if (path.starts_with(root_) && path.size() > root_.size()) {
    own_files_.emplace_back(path.substr(root_.size()));
  }
}

bool IgnorePatterns::ignores(std::string_view path, bool is_directory) const {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (ignores_itself(path.substr(0, slash), true)) return true;
  }
  return ignores_itself(path, is_directory);
}

bool IgnorePatterns::ignores_itself(std::string_view path, bool is_directory) const {
  const auto is_own = [&](const std::string& own) {
    if (is_directory) return own.ends_with('/') && fmt::format("{}/", path).starts_with(own);
    return path.starts_with(own);
  };
  if (std::ranges::any_of(own_files_, is_own)) return true;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::string with_slash = "/" + std::string(path);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directories_only && !is_directory) continue;
    const std::string_view text =
        pattern->name_only ? name : (pattern->leading_slash ? std::string_view(with_slash) : path);
    if (matches(*pattern, text)) return !pattern->negated;
  }
  return false;
}

// All ways at once, so that the time is bounded by tokens x characters whatever the pattern.
bool IgnorePatterns::matches(const Pattern& pattern, std::string_view text) {
  const auto& tokens = pattern.tokens;
  std::vector<char> active(tokens.size() + 1, 0), next(tokens.size() + 1, 0);
  active[0] = 1;
  for (std::size_t at = 0;; ++at) {
    const bool begins_name = at == 0 || text[at - 1] == '/';
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool may_be_nothing = tokens[i].kind == Token::Kind::run_of ||
                                  (tokens[i].kind == Token::Kind::directories && begins_name);
      if (active[i] != 0 && may_be_nothing) active[i + 1] = 1;
    }
    if (at == text.size()) return active.back() != 0;

    std::ranges::fill(next, 0);
    bool alive = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (active[i] == 0) continue;
      const bool fits =
          tokens[i].kind == Token::Kind::directories || tokens[i].set[index(text[at])];
      if (!fits) continue;
      next[tokens[i].kind == Token::Kind::one_of ? i + 1 : i] = 1;
      alive = true;
    }
    if (!alive) return false;
    std::swap(active, next);
  }
}

}  // namespace pmx
