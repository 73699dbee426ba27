#include "cli/manual/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <regex>
#include <utility>
#include <vector>

#include "cli/command_options.h"
#include "cli/completion/places.h"
#include "cli/exit_code.h"
#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/config/ecosystem_help.h"
#include "common/config/ecosystem_keys.h"

namespace pmx::cli {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '"':
        out += "\\(dq";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + roff_text(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff_text(text) + "\\fR"; }

// "slots|shared|rr": words to type in bold, what stands for something in italics.
std::string alternatives(std::string_view text) {
  std::string out;
  for (const Alternative& one : alternatives_of(text)) {
    if (!out.empty()) out += "|";
    out += one.kind == PlaceKind::literal ? bold(one.text) : italic(one.text);
  }
  return out;
}

// "stop <target>...", under the first name of the command.
std::string usage(std::string_view text) {
  std::string out = bold(text.substr(0, text.find(' ')));
  for (std::size_t at = std::min(text.find(' '), text.size()); at < text.size();) {
    const char c = text[at];
    const std::size_t end =
        c == '<' || c == '[' ? text.find(c == '<' ? '>' : ']', at) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += escaped(text.substr(at++, 1));
      continue;
    }
    const std::string inside = alternatives(text.substr(at + 1, end - at - 1));
    out += c == '<' ? inside : "[" + inside + "]";
    at = end + 1;
  }
  return out;
}

std::string names_and_value(const OptionInfo& option) {
  std::string out;
  for (const std::string& name : option.names) out += (out.empty() ? "" : ", ") + bold(name);
  if (option.value == OptionInfo::Value::next_word) out += " " + alternatives(option.what);
  if (option.value == OptionInfo::Value::attached) out += "[=" + italic(option.what) + "]";
  return out;
}

void add_entry(std::string& out, const std::string& term, const std::string& text) {
  fmt::format_to(std::back_inserter(out), ".TP\n{}\n{}\n", term, text);
}

void add_command(std::string& out, const Command& command) {
  std::string text = roff_text(command.summary);
  std::vector<std::string> aliases = names_of(command);
  aliases.erase(aliases.begin());
  if (!aliases.empty()) {
    text += "\n.br\nalso: ";
    for (std::size_t i = 0; i < aliases.size(); ++i)
      text += (i == 0 ? "" : ", ") + bold(aliases[i]);
  }
  add_entry(out, usage(command.usage), text);
  const std::vector<OptionInfo> options = options_of(command);
  const auto own = static_cast<std::ptrdiff_t>(global_options().size());
  if (options.begin() + own == options.end()) return;
  out += ".RS\n";
  std::for_each(options.begin() + own, options.end(), [&](const OptionInfo& option) {
    add_entry(out, names_and_value(option), roff_text(option.help));
  });
  out += ".RE\n";
}

const EcosystemKey* find_key(std::string_view name) {
  const auto& keys = ecosystem_keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const EcosystemKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

void add_key(std::string& out, const EcosystemKey& key, std::string_view help) {
  std::string names = bold(key.name);
  std::string_view rest = key.aliases;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    names += ", " + bold(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  add_entry(out, names,
            fmt::format("{}\n.br\nvalue: {}", roff_text(help), roff_text(key.expected)));
}

}  // namespace

std::string roff_text(std::string_view text) {
  // A line that begins so would be a macro.
  const bool looks_like_macro = text.starts_with('.') || text.starts_with('\'');
  return (looks_like_macro ? "\\&" : "") + escaped(text);
}

std::string commands_of_manual() {
  std::string out;
  for (const CommandGroup& group : command_groups()) {
    fmt::format_to(std::back_inserter(out), ".SS {}\n", group.title);
    for (const Command* command : commands_of(group)) add_command(out, *command);
  }
  return out;
}

std::string global_options_of_manual() {
  std::string out;
  for (const OptionInfo& option : global_options())
    add_entry(out, names_and_value(option), roff_text(option.help));
  return out;
}

std::string exit_codes_of_manual() {
  std::string out;
  for (const ExitCodeMeaning& row : exit_codes())
    out += fmt::format(".TP\n.B {}\n{}\n", row.code, roff_text(row.meaning));
  return out;
}

std::string keys_of_manual() {
  std::string out;
  for (const EcosystemSection& section : ecosystem_sections()) {
    fmt::format_to(std::back_inserter(out), ".SS {}\n", section.title);
    for (const EcosystemHelp& help : section.keys)
      if (const EcosystemKey* key = find_key(help.key)) add_key(out, *key, help.text);
  }
  return out;
}

std::string manual_page(std::string prose) {
  using Part = std::pair<std::string, std::function<std::string()>>;
  const std::vector<Part> parts = {{"@COMMANDS@\n", commands_of_manual},
                                   {"@GLOBAL_OPTIONS@\n", global_options_of_manual},
                                   {"@EXIT_CODES@\n", exit_codes_of_manual},
                                   {"@KEYS@\n", keys_of_manual},
                                   {"@VERSION@", [] { return std::string(kVersion); }}};
  for (const auto& [mark, text] : parts) {
    const std::size_t at = prose.find(mark);
    if (at != std::string::npos) prose.replace(at, mark.size(), text());
  }
  std::smatch left;
  if (std::regex_search(prose, left, std::regex("@[A-Z_]+@")))
    throw Error(ErrorCode::invalid_request, "nothing is known of " + left.str());
  return prose;
}

}  // namespace pmx::cli
