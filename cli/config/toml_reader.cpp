#include "cli/config/toml_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "cli/config/reader_errors.h"
#include "common/base/error.h"

// toml++ 3.3 has asserts that a slip in a file can break, and takes them for granted with NDEBUG.
// Here they are errors of the file.
#ifdef NDEBUG
#undef NDEBUG
#endif
namespace pmx::cli {
[[noreturn]] static void break_off() { throw std::logic_error("assertion of toml++"); }
}  // namespace pmx::cli
#define TOML_ASSERT(expression) ((expression) ? static_cast<void>(0) : pmx::cli::break_off())
#include <toml++/toml.h>

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

class TomlReader {
 public:
  explicit TomlReader(const std::string& file) { document_.file = file; }

  ConfigDocument read(std::string_view text) {
    toml::table root;
    try {
      root = toml::parse(text);
    } catch (const toml::parse_error& error) {
      const ReaderError said = toml_error(error.description());
      fail(error.source().begin, said.what, said.hint);
    } catch (const std::logic_error&) {
      throw Error(ErrorCode::invalid_spec, fmt::format("{}: it is no TOML", document_.file),
                  "its reader cannot tell where; look for dates, keys and values that are cut off");
    }
    document_.root = value(root, {}, 0);
    return std::move(document_);
  }

 private:
  [[noreturn]] void fail(const toml::source_position& place, const std::string& what,
                         const std::string& hint = {}) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{}:{}:{}: {}", document_.file, place.line, place.column, what), hint);
  }

  Json value(const toml::node& node, const std::string& pointer, int depth) {
    const toml::source_position& place = node.source().begin;
    if (depth > ConfigDocument::kDeepest) {
      fail(place, fmt::format("nested more than {} deep", ConfigDocument::kDeepest));
    }
    document_.remember_line(pointer, depth, static_cast<int>(place.line));
    if (const toml::table* table = node.as_table()) {
      Json members = Json::object();
      for (const auto& [key, content] : *table) {
        const std::string member = pointer_to(pointer, key.str());
        document_.remember_line(member, depth + 1, static_cast<int>(key.source().begin.line));
        members[std::string(key.str())] = value(content, member, depth + 1);
      }
      return members;
    }
    if (const toml::array* array = node.as_array()) {
      Json elements = Json::array();
      for (const toml::node& element : *array) {
        elements.push_back(value(element, pointer_to(pointer, elements.size()), depth + 1));
      }
      return elements;
    }
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* flag = node.as_boolean()) return flag->get();
    if (const auto* number = node.as_floating_point()) {
      if (!std::isfinite(number->get())) fail(place, "expected a number that is finite");
      return number->get();
    }
    std::ostringstream text;  // a date, a time
    node.visit([&text](const auto& other) {
      if constexpr (toml::is_chronological<decltype(other)>) text << other.get();
    });
    return text.str();
  }

  ConfigDocument document_;
};

}  // namespace

ConfigDocument read_toml(std::string_view text, const std::string& file) {
  return TomlReader(file).read(text);
}

}  // namespace pmx::cli
