#include "cli/config/yaml_reader.h"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/config/reader_errors.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

// A short file of nested anchors could stand for more values than there is memory.
constexpr int kMostValues = 1'000'000;

constexpr std::string_view kPlain = "?";
constexpr std::string_view kQuoted = "!";
constexpr std::string_view kMerge = "<<";

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<Json> based_number(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return std::nullopt;
  const int base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 0;
  if (base == 0) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data() + 2, text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Json(number);
}

// Of a scalar without quotes.
Json plain_value(const std::string& text) {
  constexpr std::array<std::string_view, 5> kNull{"", "~", "null", "Null", "NULL"};
  constexpr std::array<std::string_view, 3> kTrue{"true", "True", "TRUE"};
  constexpr std::array<std::string_view, 3> kFalse{"false", "False", "FALSE"};
  if (is_one_of(text, kNull)) return nullptr;
  if (is_one_of(text, kTrue)) return true;
  if (is_one_of(text, kFalse)) return false;
  if (auto number = based_number(text)) return *std::move(number);
  Json number = Json::parse(text, nullptr, false);
  if (number.is_number() && number.dump() == text) return number;
  return text;
}

// Where a document has its first value, if it has one.
class FirstValue : public YAML::EventHandler {
 public:
  std::optional<YAML::Mark> mark;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& at, YAML::anchor_t) override { note(at); }
  void OnScalar(const YAML::Mark& at, const std::string&, YAML::anchor_t,
                const std::string&) override {
    note(at);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    note(at);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& at, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    note(at);
  }
  void OnMapEnd() override {}

 private:
  void note(const YAML::Mark& at) {
    if (!mark) mark = at;
  }
};

// Of the second document. Not by LoadAll: behind the end of a document in braces it finds the same
// text again and again as a new one, until there is no memory left.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  FirstValue first;
  FirstValue second;
  if (parser.HandleNextDocument(first)) parser.HandleNextDocument(second);
  return second.mark;
}

class YamlReader {
 public:
  explicit YamlReader(const std::string& file) { document_.file = file; }

  ConfigDocument read(std::string_view text) {
    if (!is_utf8(text)) {
      throw Error(ErrorCode::invalid_spec, fmt::format("{}: it is not UTF-8", document_.file));
    }
    YAML::Node document;
    std::optional<YAML::Mark> second;
    try {
      second = second_document(std::string(text));
      document = YAML::Load(std::string(text));
    } catch (const YAML::DeepRecursion& error) {
      fail(error.mark, fmt::format("nested more than {} deep", ConfigDocument::kDeepest));
    } catch (const YAML::Exception& error) {
      const ReaderError said = yaml_error(error.msg);
      fail(error.mark, said.what, said.hint);
    }
    if (second) {
      fail(*second, "a second document begins here: one is expected", "remove the line ---");
    }
    document_.root = value(document, {}, 0);
    return std::move(document_);
  }

 private:
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what,
                         const std::string& hint = {}) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{}:{}:{}: {}", document_.file, mark.line + 1, mark.column + 1, what),
                hint);
  }

  Json value(const YAML::Node& node, const std::string& pointer, int depth) {
    if (depth > ConfigDocument::kDeepest) {
      fail(node.Mark(),
           fmt::format("nested more than {} deep, or holds itself", ConfigDocument::kDeepest));
    }
    if (++values_ > kMostValues) {
      fail(node.Mark(),
           fmt::format("with its anchors the file has more than {} values", kMostValues));
    }
    document_.remember_line(pointer, depth, node.Mark().line + 1);
    if (node.IsMap()) return mapping(node, pointer, depth);
    if (node.IsSequence()) return sequence(node, pointer, depth);
    return node.IsScalar() ? scalar(node) : Json();
  }

  Json scalar(const YAML::Node& node) const {
    const std::string& text = node.Scalar();
    const std::string& tag = node.Tag();
    if (tag == kPlain || tag.empty()) return plain_value(text);
    if (tag == kQuoted || tag == "tag:yaml.org,2002:str") return text;
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    if (tag.starts_with(kStandard)) return plain_value(text);
    fail(node.Mark(), fmt::format("the tag {} is not known", tag), "only data can be configured");
  }

  Json sequence(const YAML::Node& node, const std::string& pointer, int depth) {
    Json elements = Json::array();
    for (const YAML::Node& element : node) {
      elements.push_back(value(element, pointer_to(pointer, elements.size()), depth + 1));
    }
    return elements;
  }

  std::string key_of(const YAML::Node& node) const {
    if (!node.IsScalar()) fail(node.Mark(), "a key is a text", "quote it");
    return node.Scalar();
  }

  Json mapping(const YAML::Node& node, const std::string& pointer, int depth) {
    Json members = Json::object();
    std::vector<YAML::Node> merged;
    for (const auto& member_node : node) {
      const YAML::Node& key_node = member_node.first;
      const YAML::Node& content = member_node.second;
      const std::string key = key_of(key_node);
      if (key == kMerge && key_node.Tag() == kPlain) {
        merged.push_back(content);
        continue;
      }
      const int line = key_node.Mark().line + 1;
      const std::string member = pointer_to(pointer, key);
      if (members.contains(key)) {
        document_.problems.push_back(
            {line, fmt::format("key {} is given twice, first on line {}", Json(key).dump(),
                               document_.line_of(member))});
        continue;
      }
      document_.remember_line(member, depth + 1, line);
      members[key] = value(content, member, depth + 1);
    }
    for (const YAML::Node& each : merged) merge(each, pointer, depth, members);
    return members;
  }

  // What is merged in counts less than what is there, and what comes earlier more.
  void merge(const YAML::Node& from, const std::string& pointer, int depth, Json& members) {
    if (from.IsSequence()) {
      for (const YAML::Node& each : from) merge(each, pointer, depth, members);
      return;
    }
    if (!from.IsMap()) fail(from.Mark(), "<< takes a mapping, or a list of mappings");
    if (depth >= ConfigDocument::kDeepest) fail(from.Mark(), "a mapping is merged into itself");
    Json others = mapping(from, pointer, depth + 1);
    for (auto& [key, content] : others.items()) members.emplace(key, std::move(content));
  }

  ConfigDocument document_;
  int values_ = 0;
};

}  // namespace

ConfigDocument read_yaml(std::string_view text, const std::string& file) {
  return YamlReader(file).read(text);
}

}  // namespace pmx::cli
