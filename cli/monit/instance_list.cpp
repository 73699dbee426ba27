#include "cli/monit/instance_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/monit/text.h"
#include "cli/render/cells.h"
#include "cli/render/list_table.h"

namespace pmx::cli::monit {
namespace {

void push(std::deque<double>& samples, double value) {
  samples.push_back(value);
  if (samples.size() > InstanceList::kSamples) samples.pop_front();
}

bool matches(const InstanceStatus& one, const std::string& filter) {
  const std::string text = lower_case(
      fmt::format("{} {} {} {}", one.name, one.name_space, state_cell(one).text, one.pm_id));
  std::string_view rest = filter;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (text.find(lower_case(rest.substr(0, end))) == std::string::npos) return false;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return true;
}

}  // namespace

void InstanceList::update(std::vector<InstanceStatus> instances) {
  all_ = std::move(instances);
  sort_instances(all_, order_);
  std::map<int, Usage> kept;
  for (const InstanceStatus& one : all_) {
    Usage& usage = kept[one.pm_id];
    if (const auto before = usage_.find(one.pm_id); before != usage_.end())
      usage = std::move(before->second);
    push(usage.cpu, one.cpu_percent);
    push(usage.memory, static_cast<double>(one.memory_bytes));
  }
  usage_ = std::move(kept);
  show();
}

void InstanceList::set_filter(const std::string& filter) {
  filter_ = filter;
  show();
}

bool InstanceList::set_order(const std::string& order) {
  if (!sort_instances(all_, order)) return false;
  order_ = order;
  show();
  return true;
}

const Usage& InstanceList::usage(int pm_id) const {
  static const Usage kNone;
  const auto found = usage_.find(pm_id);
  return found == usage_.end() ? kNone : found->second;
}

const InstanceStatus* InstanceList::selected() const {
  return shown_.empty() ? nullptr : &all_[shown_[selected_row_]];
}

void InstanceList::select_row(std::size_t row) {
  if (shown_.empty()) return;
  selected_row_ = std::min(row, shown_.size() - 1);
  selected_id_ = all_[shown_[selected_row_]].pm_id;
}

void InstanceList::move_selection(long rows) {
  const long target = static_cast<long>(selected_row_) + rows;
  select_row(static_cast<std::size_t>(std::max(target, 0L)));
}

std::size_t InstanceList::first_row(std::size_t height) {
  if (height == 0) return first_;
  first_ = std::min(first_, shown_.size() > height ? shown_.size() - height : 0);
  if (selected_row_ < first_) first_ = selected_row_;
  if (selected_row_ >= first_ + height) first_ = selected_row_ - height + 1;
  return first_;
}

void InstanceList::show() {
  shown_.clear();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (matches(all_[i], filter_)) shown_.push_back(i);
  }
  const auto same = std::find_if(shown_.begin(), shown_.end(), [&](std::size_t index) {
    return all_[index].pm_id == selected_id_;
  });
  if (same != shown_.end()) {
    selected_row_ = static_cast<std::size_t>(same - shown_.begin());
  } else {
    select_row(selected_row_);
  }
  if (shown_.empty()) selected_row_ = 0;
}

}  // namespace pmx::cli::monit
