#include "cli/render/prettylist.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "cli/render/jlist.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

// By which Node decides whether an object stays on one line.
constexpr std::size_t kLineWidth = 80;
constexpr std::size_t kSlack = 10;

std::string quoted(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = !has_single ? '\'' : text.find('"') == std::string::npos ? '"' : '`';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == quote) {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + quote;
}

bool is_identifier(const std::string& key) {
  return !key.empty() && std::isdigit(static_cast<unsigned char>(key.front())) == 0 &&
         std::all_of(key.begin(), key.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$'; });
}

std::string inspect(const Json& value, std::size_t indent) {
  if (value.is_string()) return quoted(value.get<std::string>());
  if (!value.is_structured()) return value.dump();
  const bool is_list = value.is_array();
  if (value.empty()) return is_list ? "[]" : "{}";
  std::vector<std::string> parts;
  std::size_t length = 0;
  for (const auto& [key, member] : value.items()) {
    std::string part = is_list ? "" : (is_identifier(key) ? key : quoted(key)) + ": ";
    part += inspect(member, indent + 2);
    length += part.size();
    parts.push_back(std::move(part));
  }
  const char open = is_list ? '[' : '{';
  const char close = is_list ? ']' : '}';
  const bool is_short = length + 2 * parts.size() + indent + kSlack + 1 <= kLineWidth &&
                        std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
                          return part.find('\n') != std::string::npos;
                        });
  if (is_short) return fmt::format("{} {} {}", open, fmt::join(parts, ", "), close);
  const std::string line = ",\n" + std::string(indent + 2, ' ');
  return fmt::format("{}\n{}{}\n{}{}", open, std::string(indent + 2, ' '), fmt::join(parts, line),
                     std::string(indent, ' '), close);
}

}  // namespace

std::string as_node_shows(const std::string& json) { return inspect(Json::parse(json), 0); }

std::string prettylist(const std::vector<InstanceStatus>& instances) {
  return as_node_shows(jlist(instances));
}

}  // namespace pmx::cli
