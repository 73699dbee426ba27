#include "cli/config/reader_errors.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>

namespace pmx::cli {
namespace {

struct Row {
  std::string_view said;  // how the library's text begins
  std::string_view what;
  std::string_view hint;
};

constexpr std::array kYaml{
    Row{"end of sequence flow not found", "a list that begins with [ is not closed",
        "end it with ]"},
    Row{"end of sequence not found", "this line does not belong to the list above it",
        "\"- \" and the keys of one entry stand below each other"},
    Row{"end of map flow not found", "a mapping that begins with { is not closed", "end it with }"},
    Row{"end of map not found", "this line does not belong to the keys above it",
        "keys of one mapping stand below each other, as \"key: value\""},
    Row{"illegal map value", "a second \": \" in one line", "quote the text that has it"},
    Row{"illegal map key", "no key can stand here", "keys are indented with blanks, one in a line"},
    Row{"illegal block entry", "no \"- \" can stand here",
        "entries of a list have a line each, indented with blanks, not tabs"},
    Row{"illegal tab", "a tab in the indentation", "indent with blanks"},
    Row{"illegal flow end", "a ] or } that closes nothing", "remove it, or quote the text"},
    Row{"unknown token", "a text cannot begin with this character", "quote it"},
    Row{"unknown escape character", "this is no escape sequence", "in \"...\" write \\\\ for a \\"},
    Row{"invalid unicode", "this is no character of Unicode", ""},
    Row{"bad character found while scanning hex", "this is no hexadecimal number", ""},
    Row{"illegal EOF in scalar", "the file ends in a text that is not closed",
        "end it with its quote"},
    Row{"illegal document indicator", "--- or ... in a text that is not closed",
        "end it with its quote"},
    Row{"illegal character in scalar", "a text cannot have this character", "quote it"},
    Row{"unexpected character in block scalar", "behind | or > only + - and a number can stand",
        "the text begins in the next line"},
    Row{"cannot set zero indentation", "behind | or > a number from 1 to 9 can stand", ""},
    Row{"the referenced anchor is not defined", "there is no anchor of this name before",
        "&name marks a value, *name repeats it; quote a text that begins with *"},
    Row{"alias not found", "a name is missing behind *", "quote a text that begins with *"},
    Row{"anchor not found", "a name is missing behind &", "quote a text that begins with &"},
    Row{"illegal character found while scanning a", "this name of an anchor is not possible",
        "letters and digits"},
    Row{"bad YAML version", "this version of YAML is not known", "leave the %YAML line out"},
    Row{"YAML ", "this %YAML line is not possible", "leave it out"},
    Row{"repeated ", "a % line is there twice", "leave it out"},
    Row{"TAG ", "this %TAG line is not possible", "leave it out"},
    Row{"end of verbatim tag", "a tag that begins with !< is not closed",
        "quote a text that begins with !"},
    Row{"tag handle", "this tag is not possible", "quote a text that begins with !"},
    Row{"illegal character found while scanning tag", "this tag is not possible",
        "quote a text that begins with !"},
    Row{"cannot assign", "two tags, anchors or repetitions for one value", "leave one out"},
    Row{"aliases can't have", "nothing can stand behind *name", "leave it out"}};

// Of what stands behind "Error while parsing WHAT: ".
constexpr std::array kToml{
    Row{"could not determine value type", "this is no value", "texts stand in quotes"},
    Row{"unescaped control characters", "a text is not closed on its line",
        "end it with its quote"},
    Row{"encountered end-of-file", "the file ends in the middle of it", ""},
    Row{"leading zeroes are prohibited", "a number cannot begin with 0",
        "quote it if it is a text"},
    Row{"cannot redefine", "this is given twice", "remove one of the two"},
    Row{"unknown escape sequence", "this is no escape sequence",
        "in \"...\" write \\\\ for a \\; in '...' nothing is escaped"}};

template <class Table>
ReaderError from_table(const Table& table, std::string_view said) {
  for (const Row& row : table) {
    if (said.starts_with(row.said)) return {std::string(row.what), std::string(row.hint)};
  }
  return {};
}

}  // namespace

ReaderError yaml_error(std::string_view said) {
  ReaderError error = from_table(kYaml, said);
  if (error.what.empty()) error.what = fmt::format("this is no YAML: {}", said);
  return error;
}

ReaderError toml_error(std::string_view said) {
  constexpr std::string_view kWhile = "Error while parsing ";
  if (said.starts_with("Encountered invalid utf-8"))
    return {"a character that is not UTF-8", "save the file as UTF-8"};
  std::string part;
  if (said.starts_with(kWhile) && said.find(": ") != std::string_view::npos) {
    said.remove_prefix(kWhile.size());
    part = said.substr(0, said.find(": "));
    said.remove_prefix(part.size() + 2);
  }
  ReaderError error = from_table(kToml, said);
  if (!error.what.empty()) return error;
  std::string what(said);
  if (const std::size_t saw = what.find(", saw '\\n'"); saw != std::string::npos)
    what.replace(saw, std::string::npos, ", but the line ends here");
  if (const std::size_t saw = what.find(", saw "); saw != std::string::npos)
    what.replace(saw, 6, ", not ");
  // Some texts quote the file, with its line breaks.
  if (const std::size_t end = what.find_first_of("\r\n"); end != std::string::npos)
    what.replace(end, std::string::npos, "'");
  error.what = part.empty() ? what : fmt::format("in the {}: {}", part, what);
  return error;
}

}  // namespace pmx::cli
