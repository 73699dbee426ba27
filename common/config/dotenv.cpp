#include "common/config/dotenv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "common/base/error.h"
#include "common/config/expansion.h"

namespace pmx {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}

class DotenvReader {
 public:
  DotenvReader(std::string_view text, const std::string& file, const Env& outer)
      : text_(text), file_(file), outer_(outer) {}

  Env read() {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    if (text_.find('\0') != std::string_view::npos) fail("NUL bytes are in it");
    while (at_ < text_.size()) line();
    return std::move(env_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::invalid_spec, fmt::format("{}:{}: {}", file_, line_, what),
                "lines are NAME=value; quotes keep blanks, # and line breaks in a value");
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  [[nodiscard]] bool at_end_of_line() const {
    return peek() == '\n' || text_.substr(at_).starts_with("\r\n");
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void next_line() {
    at_ = std::min(text_.find('\n', at_), text_.size());
    if (at_ < text_.size()) ++at_;
    ++line_;
  }

  void line() {
    skip_blanks();
    if (at_end_of_line() || peek() == '#') {
      next_line();
      return;
    }
    std::string name = word();
    skip_blanks();
    if (name == "export" && is_name(peek())) {
      name = word();
      skip_blanks();
    }
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0)
      fail("expected the name of a variable");
    if (peek() != '=') fail(fmt::format("expected = behind {}", name));
    ++at_;
    skip_blanks();
    std::string value;
    if (peek() == '\'' || peek() == '"') {
      value = peek() == '"' ? double_quoted() : single_quoted();
      skip_blanks();
      if (!at_end_of_line() && peek() != '#') fail("text behind the closing quote");
    } else {
      value = plain();
    }
    env_.insert_or_assign(std::move(name), std::move(value));
    next_line();
  }

  std::string word() {
    const std::size_t begin = at_;
    while (is_name(peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string plain() {
    std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view value = text_.substr(at_, end - at_);
    for (std::size_t mark = value.find('#'); mark != std::string_view::npos;
         mark = value.find('#', mark + 1)) {
      if (mark == 0 || value[mark - 1] == ' ' || value[mark - 1] == '\t') {
        value = value.substr(0, mark);
        break;
      }
    }
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back())) != 0)
      value.remove_suffix(1);
    return expanded(value);
  }

  std::string single_quoted() {
    const std::size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) fail("this quote is not closed");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    pass(end + 1);
    return value;
  }

  std::string double_quoted() {
    std::string value;
    std::string part;  // since the last escape: what an escape has given is not looked at again
    std::size_t at = at_ + 1;
    const auto flush = [&] {
      value += expanded(part);
      part.clear();
    };
    for (;; ++at) {
      if (at >= text_.size()) fail("this quote is not closed");
      const char c = text_[at];
      if (c == '"') break;
      if (c != '\\' || at + 1 >= text_.size()) {
        part.push_back(c);
        continue;
      }
      constexpr std::string_view kLetters = "nrt\\\"$\n";
      constexpr std::string_view kMeanings = "\n\r\t\\\"$";
      const std::size_t known = kLetters.find(text_[at + 1]);
      if (known == std::string_view::npos) {
        part.push_back(c);
        continue;
      }
      flush();
      if (known < kMeanings.size()) value.push_back(kMeanings[known]);
      ++at;
    }
    flush();
    pass(at + 1);
    return value;
  }

  // To a place that may be on a later line.
  void pass(std::size_t place) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(place), '\n'));
    at_ = place;
  }

  std::string expanded(std::string_view text) const {
    Expansion result = expand(text, [this](const std::string& name) -> std::optional<std::string> {
      if (const auto own = env_.find(name); own != env_.end()) return own->second;
      if (const auto other = outer_.find(name); other != outer_.end()) return other->second;
      return std::nullopt;
    });
    if (!result.problem.empty()) fail("expected " + result.problem);
    return std::move(result.text);
  }

  std::string_view text_;
  const std::string& file_;
  const Env& outer_;
  std::size_t at_ = 0;
  int line_ = 1;
  Env env_;
};

}  // namespace

Env read_dotenv(std::string_view text, const std::string& file, const Env& outer) {
  return DotenvReader(text, file, outer).read();
}

}  // namespace pmx
