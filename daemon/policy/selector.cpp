#include "daemon/policy/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "common/base/error.h"

namespace pmx {
namespace {

constexpr std::string_view kNamespacePrefix = "ns:";

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

bool is_expression(std::string_view text) {
  // "/" and "//" would match every name: a slip of the finger must not delete all apps.
  return text.size() >= 3 && text.front() == '/' && text.back() == '/';
}

std::regex compile(std::string_view text) {
  std::string pattern(text);
  std::erase(pattern, '/');
  const auto usage = [&](std::string_view why) {
    return Error(
        ErrorCode::invalid_request, fmt::format("invalid regular expression {}: {}", text, why),
        "write it as /expression/ (ECMAScript syntax, no flags), for example '/^api-[0-9]+$/'");
  };
  if (pattern.empty()) throw usage("it is empty");
  if (pattern.size() > Selector::kMaxExpressionLength) {
    throw usage(fmt::format("longer than {} characters", Selector::kMaxExpressionLength));
  }
  try {
    // __polynomial (libstdc++) never backtracks: an expression like (a*)*b cannot stall the daemon.
    return std::regex(pattern,
                      std::regex_constants::ECMAScript | std::regex_constants::__polynomial);
  } catch (const std::regex_error& error) {
    throw usage(error.what());
  }
}

template <typename Predicate>
std::vector<int> select(const std::vector<SelectorTarget>& targets, Predicate matches) {
  std::vector<int> ids;
  for (const SelectorTarget& target : targets) {
    if (matches(target)) ids.push_back(target.pm_id);
  }
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

Selector Selector::parse(std::string_view text) {
  if (text.empty())
    throw Error(ErrorCode::invalid_request, "empty target",
                "give a name, an id, a namespace, /regex/ or all");
  Selector selector;
  selector.text_ = text;
  selector.all_ = text == "all";
  selector.number_ = whole_number(text);
  if (is_expression(text)) selector.expression_ = compile(text);
  return selector;
}

std::vector<int> Selector::resolve(const std::vector<SelectorTarget>& targets,
                                   std::string_view cwd) const {
  if (all_) return select(targets, [](const SelectorTarget&) { return true; });
  if (expression_) {
    return select(targets, [this](const SelectorTarget& target) {
      return std::regex_search(target.name.begin(), target.name.end(), *expression_);
    });
  }

  // A number is never a path.
  const std::string path =
      number_ ? std::string{} : (std::filesystem::path(cwd) / text_).lexically_normal().string();
  std::vector<int> ids = select(targets, [&](const SelectorTarget& target) {
    return target.name == text_ || (!path.empty() && target.script == path);
  });
  if (ids.empty()) {
    ids = select(targets,
                 [this](const SelectorTarget& target) { return target.name_space == text_; });
  }
  if (ids.empty() && number_) {
    ids =
        select(targets, [this](const SelectorTarget& target) { return target.pm_id == *number_; });
  }
  if (ids.empty() && text_.starts_with(kNamespacePrefix)) {
    const std::string_view name_space = std::string_view(text_).substr(kNamespacePrefix.size());
    ids = select(targets,
                 [&](const SelectorTarget& target) { return target.name_space == name_space; });
  }
  return ids;
}

}  // namespace pmx
