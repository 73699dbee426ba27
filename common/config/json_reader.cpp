#include "common/config/json_reader.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cstdint>

#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr int kHexadecimal = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of a name without quotes, or of a word like true.
bool is_name(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&out](std::uint32_t bits) { out.push_back(static_cast<char>(bits)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

class JsonReader {
 public:
  JsonReader(std::string_view text, const std::string& file) : text_(text) {
    document_.file = file;
  }

  ConfigDocument read() {
    if (text_.starts_with(kByteOrderMark)) line_start_ = at_ = kByteOrderMark.size();
    skip_blanks();
    document_.root = value({}, 0);
    skip_blanks();
    if (at_ < text_.size()) fail(fmt::format("expected the end of the file, not {}", here()));
    return std::move(document_);
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void new_line() {
    ++line_;
    line_start_ = at_;
  }

  // What stands here, for a message.
  [[nodiscard]] std::string here() const {
    if (at_ >= text_.size()) return "the end of the file";
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x20 || byte >= 0x7F) return fmt::format("byte 0x{:02x}", byte);
    std::size_t end = at_;
    while (end < text_.size() && end - at_ < 20 && is_name(text_[end]) &&
           static_cast<unsigned char>(text_[end]) < 0x80) {
      ++end;
    }
    return fmt::format("\"{}\"", text_.substr(at_, std::max<std::size_t>(end - at_, 1)));
  }

  [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{}:{}:{}: {}", document_.file, line_, at_ - line_start_ + 1, what),
                hint);
  }

  void skip_comment() {
    if (text_[at_ + 1] == '/') {
      at_ = std::min(text_.find('\n', at_), text_.size());
      return;
    }
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) fail("this comment is not closed", "it ends with */");
    while (at_ < end) {
      if (text_[at_++] == '\n') new_line();
    }
    at_ = end + 2;
  }

  void skip_blanks() {
    for (;;) {
      const char c = peek();
      if (at_ < text_.size() && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
        ++at_;
        if (c == '\n') new_line();
      } else if (c == '/' && (peek(1) == '/' || peek(1) == '*')) {
        skip_comment();
      } else {
        return;
      }
    }
  }

  Json value(const std::string& pointer, int depth) {
    if (depth > ConfigDocument::kDeepest) {
      fail(fmt::format("nested more than {} deep", ConfigDocument::kDeepest));
    }
    document_.remember_line(pointer, depth, line_);
    const char c = peek();
    if (c == '{') return object(pointer, depth);
    if (c == '[') return array(pointer, depth);
    if (c == '"' || c == '\'') return string();
    if (is_digit(c) || c == '-' || c == '+' || c == '.') return number();
    if (is_name(c)) {
      const std::size_t begin = at_;
      const std::string word = name();
      if (word == "true") return true;
      if (word == "false") return false;
      if (word == "null") return nullptr;
      at_ = begin;
      fail(fmt::format("expected a value, not {}", here()), "texts stand in quotes");
    }
    fail(fmt::format("expected a value, not {}", here()));
  }

  Json object(const std::string& pointer, int depth) {
    Json members = Json::object();
    ++at_;
    for (skip_blanks(); !take('}'); skip_blanks()) {
      const int line = line_;
      const char c = peek();
      if (c != '"' && c != '\'' && (!is_name(c) || is_digit(c))) {
        fail(fmt::format("expected a key or \"}}\", not {}", here()));
      }
      const std::string key = c == '"' || c == '\'' ? string() : name();
      const std::string member = pointer_to(pointer, key);
      skip_blanks();
      if (!take(':')) fail(fmt::format("expected \":\" behind the key, not {}", here()));
      skip_blanks();
      document_.remember_line(member, depth + 1, line);
      Json content = value(member, depth + 1);
      if (!members.emplace(key, std::move(content)).second) {
        document_.problems.push_back(
            {line, fmt::format("key {} is given twice, first on line {}", Json(key).dump(),
                               document_.line_of(member))});
      }
      skip_blanks();
      if (!take(',') && peek() != '}') {
        fail(fmt::format("expected \",\" or \"}}\", not {}", here()));
      }
    }
    return members;
  }

  Json array(const std::string& pointer, int depth) {
    Json elements = Json::array();
    ++at_;
    for (skip_blanks(); !take(']'); skip_blanks()) {
      elements.push_back(value(pointer_to(pointer, elements.size()), depth + 1));
      skip_blanks();
      if (!take(',') && peek() != ']') {
        fail(fmt::format("expected \",\" or \"]\", not {}", here()));
      }
    }
    return elements;
  }

  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    std::string word(text_.substr(begin, at_ - begin));
    if (!is_utf8(word)) {
      at_ = begin;
      fail("this name is not UTF-8");
    }
    return word;
  }

  std::string string() {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    std::string out;
    for (;;) {
      if (at_ >= text_.size() || text_[at_] == '\n') {
        at_ = begin;
        fail("this text is not closed", fmt::format("it ends with {} on the same line", quote));
      }
      const char c = text_[at_];
      const auto byte = static_cast<unsigned char>(c);
      if (c == quote) {
        ++at_;
        return out;
      }
      if (c == '\\') {
        escape(out);
      } else if (byte >= 0x80) {
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        const std::string_view character = text_.substr(at_, length);
        if (!is_utf8(character)) fail(fmt::format("{} is not UTF-8", here()));
        out += character;
        at_ += length;
      } else if (byte < 0x20 && c != '\t') {
        fail(fmt::format("{} in a text", here()), fmt::format("write it as \\u{:04x}", byte));
      } else {
        out.push_back(c);
        ++at_;
      }
    }
  }

  // `digits` hexadecimal ones behind the present place.
  std::uint32_t code(std::size_t digits) {
    std::uint32_t number = 0;
    const std::string_view text = text_.substr(std::min(at_, text_.size()), digits);
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, kHexadecimal);
    if (error != std::errc() || text.size() != digits || end != text.data() + digits) {
      fail(fmt::format("expected {} hexadecimal digits, not {}", digits, here()));
    }
    at_ += digits;
    return number;
  }

  void escape(std::string& out) {
    constexpr std::string_view kLetters = "bfnrtv0";
    constexpr std::string_view kMeanings("\b\f\n\r\t\v\0", 7);
    ++at_;
    const char c = peek();
    if (at_ >= text_.size()) return;  // string() says what is wrong
    ++at_;
    if (c == 'u') {
      std::uint32_t unit = code(4);
      if (unit >= 0xD800 && unit < 0xDC00 && peek() == '\\' && peek(1) == 'u') {
        at_ += 2;
        const std::uint32_t low = code(4);
        if (low < 0xDC00 || low >= 0xE000) fail("half a character (surrogate)");
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      } else if (unit >= 0xD800 && unit < 0xE000) {
        fail("half a character (surrogate)");
      }
      append_utf8(out, unit);
    } else if (c == 'x') {
      append_utf8(out, code(2));
    } else if (c == '\n') {  // the text goes on
      new_line();
    } else if (c == '\r' && take('\n')) {
      new_line();
    } else if (is_digit(c) && (c != '0' || is_digit(peek()))) {
      at_ -= 1;
      fail("a backslash before a digit", "write \\u and four hexadecimal digits");
    } else if (const std::size_t known = kLetters.find(c); known != std::string_view::npos) {
      out.push_back(kMeanings[known]);
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) {
      at_ -= 1;
      fail(fmt::format("a backslash before {}", here()));
    } else {
      out.push_back(c);
    }
  }

  Json number() {
    const std::size_t begin = at_;
    while (is_name(peek()) || peek() == '.' || peek() == '-' || peek() == '+') ++at_;
    const std::string_view all = text_.substr(begin, at_ - begin);
    const bool negative = all.front() == '-';
    std::string_view text = all;
    if (negative || all.front() == '+') text.remove_prefix(1);
    const auto wrong = [&](const std::string& what) {
      at_ = begin;
      fail(fmt::format("{} is {}", all.substr(0, 40), what));
    };

    std::uint64_t whole = 0;
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const std::string_view digits = hexadecimal ? text.substr(2) : text;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole,
                                              hexadecimal ? kHexadecimal : 10);
    const bool is_whole = end == digits.data() + digits.size() && !digits.empty();
    if (!hexadecimal && digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) {
      wrong("not a number: it begins with 0");
    }
    constexpr std::uint64_t kLargest = INT64_MAX;
    if (is_whole && error == std::errc() && (!negative || whole <= kLargest)) {
      if (negative) return -static_cast<std::int64_t>(whole);
      return whole;
    }
    double fraction = 0;
    const bool starts_well = !digits.empty() && (is_digit(digits[0]) || digits[0] == '.');
    const auto [last, trouble] =
        std::from_chars(digits.data(), digits.data() + digits.size(), fraction);
    if (trouble == std::errc::result_out_of_range) wrong("too large or too small a number");
    if (hexadecimal || !starts_well || trouble != std::errc() ||
        last != digits.data() + digits.size()) {
      wrong("not a number");
    }
    return negative ? -fraction : fraction;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  ConfigDocument document_;
};

}  // namespace

ConfigDocument read_json(std::string_view text, const std::string& file) {
  return JsonReader(text, file).read();
}

}  // namespace pmx
