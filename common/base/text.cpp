#include "common/base/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace pmx {
namespace {

// Bytes of a sequence by its first byte, and the least code point that may be written with so many.
struct Lead {
  unsigned mask, value, length;
  char32_t least;
};
constexpr std::array kLeads{Lead{0x80, 0x00, 1, 0}, Lead{0xe0, 0xc0, 2, 0x80},
                            Lead{0xf0, 0xe0, 3, 0x800}, Lead{0xf8, 0xf0, 4, 0x10000}};
constexpr char32_t kLast = 0x10ffff;

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

bool is_utf8(std::string_view bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const Lead* lead = nullptr;
    for (const Lead& candidate : kLeads) {
      if ((first & candidate.mask) == candidate.value) lead = &candidate;
    }
    if (lead == nullptr || at + lead->length > bytes.size()) return false;
    char32_t point = first & ~lead->mask & 0xffU;
    for (std::size_t i = 1; i < lead->length; ++i) {
      const auto next = static_cast<unsigned char>(bytes[at + i]);
      if ((next & 0xc0U) != 0x80U) return false;
      point = (point << 6U) | (next & 0x3fU);
    }
    if (point < lead->least || point > kLast || (point >= 0xd800 && point <= 0xdfff)) return false;
    at += lead->length;
  }
  return true;
}

bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_edits = 1 + std::min<std::size_t>(word.size() / 3, 3);
  for (const std::string& candidate : known) {
    const std::size_t count = edits(word, candidate);
    const bool is_start = word.size() >= 3 && candidate.size() > word.size() &&
                          std::string_view(candidate).substr(0, word.size()) == word;
    const std::size_t distance = is_start ? std::min<std::size_t>(count, 1) : count;
    if (distance < best_edits) {
      best = candidate;
      best_edits = distance;
    }
  }
  return best;
}

}  // namespace pmx
