#include "cli/suggestion.h"

#include <algorithm>
#include <cctype>

namespace pmx::cli {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_edits = 1 + std::min<std::size_t>(word.size() / 3, 3);
  for (const std::string& candidate : known) {
    const std::size_t count = edits(word, candidate);
    const bool is_start = word.size() >= 3 && candidate.size() > word.size() &&
                          std::string_view(candidate).substr(0, word.size()) == word;
    const std::size_t distance = is_start ? std::min<std::size_t>(count, 1) : count;
    if (distance < best_edits || (!best && distance == best_edits)) {
      best = candidate;
      best_edits = distance;
    }
  }
  return best;
}

}  // namespace pmx::cli
