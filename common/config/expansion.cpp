#include "common/config/expansion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace pmx {
namespace {

bool is_name(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

}  // namespace

Expansion expand(std::string_view text,
                 const std::function<std::optional<std::string>(const std::string& name)>& find) {
  Expansion out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find("${"), text.size());
    out.text += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) break;
    if (out.text.ends_with('$')) {
      out.text += '{';
      text.remove_prefix(2);
      continue;
    }
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos) {
      out.problem = "a closing } behind each ${ ($${ is the text)";
      return out;
    }
    const std::string_view inside = text.substr(2, end - 2);
    text.remove_prefix(end + 1);
    const std::size_t mark = std::min(inside.find_first_of(":-"), inside.size());
    const std::string name(inside.substr(0, mark));
    const std::string_view rest = inside.substr(mark);
    const bool also_empty = rest.starts_with(":-");
    const bool has_default = also_empty || rest.starts_with('-');
    if (!is_name(name) || (!rest.empty() && !has_default)) {
      out.problem = fmt::format("${{NAME}} or ${{NAME:-default}}, not ${{{}}} ($${{ is the text)",
                                inside.substr(0, 40));
      return out;
    }
    const std::optional<std::string> value = find(name);
    if (value && !(also_empty && value->empty())) {
      out.text += *value;
    } else if (has_default) {
      out.text += rest.substr(also_empty ? 2 : 1);
    } else if (!value) {
      out.problem =
          fmt::format("a variable {} in the environment, or ${{{}:-default}}", name, name);
      return out;
    }
  }
  return out;
}

std::string without_expansion(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at).starts_with("${")) out += '$';
    out += text[at];
  }
  return out;
}

}  // namespace pmx
