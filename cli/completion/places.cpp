#include "cli/completion/places.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pmx::cli {
namespace {

struct Placeholder {
  std::string_view text;
  PlaceKind kind;
};

constexpr auto kPlaceholders = std::to_array<Placeholder>({
    {"target", PlaceKind::target},
    {"name", PlaceKind::app_name},
    {"APP", PlaceKind::app_name},
    {"id", PlaceKind::app_id},
    {"namespace", PlaceKind::name_space},
    {"NAMESPACE", PlaceKind::name_space},
    {"command", PlaceKind::command},
    {"SIGNAME", PlaceKind::signal},
    {"script", PlaceKind::file},
    {"file", PlaceKind::file},
    {"file.json", PlaceKind::file},
    {"path", PlaceKind::file},
    {"FILE", PlaceKind::file},
    {"DIR", PlaceKind::directory},
    {"USER", PlaceKind::user},
    {"GROUP", PlaceKind::group},
    {"key", PlaceKind::unknown},
    {"n", PlaceKind::unknown},
    {"+n", PlaceKind::unknown},
    {"-n", PlaceKind::unknown},
    {"-", PlaceKind::unknown},
});

}  // namespace

std::vector<Alternative> alternatives_of(std::string_view text) {
  std::vector<Alternative> alternatives;
  const bool is_choice = text.find('|') != std::string_view::npos;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('|'), text.size());
    const std::string_view word = text.substr(0, end);
    const auto* const known =
        std::find_if(kPlaceholders.begin(), kPlaceholders.end(),
                     [&](const Placeholder& one) { return one.text == word; });
    const PlaceKind kind = known != kPlaceholders.end() ? known->kind
                           : is_choice                  ? PlaceKind::literal
                                                        : PlaceKind::unknown;
    alternatives.push_back({kind, std::string(word)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return alternatives;
}

std::vector<Place> places_of(std::string_view usage) {
  std::vector<Place> places;
  for (std::size_t begin = usage.find_first_of("<["); begin != std::string_view::npos;
       begin = usage.find_first_of("<[", begin)) {
    const char closing = usage[begin] == '<' ? '>' : ']';
    const std::size_t end = usage.find(closing, begin);
    if (end == std::string_view::npos) break;
    const std::string_view inside = usage.substr(begin + 1, end - begin - 1);
    if (!inside.starts_with("-- "))
      places.push_back({alternatives_of(inside), usage.substr(end + 1).starts_with("...")});
    begin = end;
  }
  return places;
}

}  // namespace pmx::cli
