#include "cli/monit/model.h"

#include <fmt/format.h>

#include "common/config/secrets.h"

namespace pmx::cli::monit {

void Model::set_size(Size size) {
  size_ = size;
  if (layout().is_wide) {
    // Logs have a pane of their own there.
    if (below_ == Pane::logs) below_ = Pane::details;
  } else if (focus_ != Pane::list) {
    below_ = focus_;
  }
}

Layout Model::layout() const {
  std::optional<Pane> zoomed;
  if (zoomed_) zoomed = focus_;
  return layout_of(size_, static_cast<int>(list_.shown().size()), zoomed);
}

int Model::height_of(Pane pane) const {
  const Layout now = layout();
  if (pane == Pane::list) return now.list.height;
  if (now.is_wide && pane != Pane::logs) return now.second_pane ? now.second_pane->height : 0;
  return now.pane.height;
}

void Model::set_instances(std::vector<InstanceStatus> instances) {
  list_.update(std::move(instances));
  selection_may_have_changed();
}

void Model::set_detail(const InstanceStatus& detail, WallMillis now) {
  const InstanceStatus* one = selected();
  if (one == nullptr || one->pm_id != detail.pm_id || !detail.detail) return;
  details_.set(described(detail, now));
  // Its own settings first, then what it has from the shell that started it.
  std::vector<DescribedRow> own;
  std::vector<DescribedRow> inherited;
  for (const auto& [name, value] : detail.detail->spec.env) {
    const bool hidden = is_secret(name, value);
    const bool is_own = detail.detail->spec.own_env.contains(name);
    (is_own ? own : inherited)
        .push_back({name, hidden ? "[hidden]" : value, hidden ? Colour::grey : Colour::none});
  }
  for (const auto& [name, path] : detail.detail->spec.secret_files)
    own.push_back({name, fmt::format("(read from {})", path), Colour::grey});
  if (!own.empty()) own.push_back({});
  own.insert(own.end(), inherited.begin(), inherited.end());
  environment_.set(std::move(own));
}

// What is known of another instance must not be taken for this one's.
void Model::selection_may_have_changed() {
  const int id = selected() == nullptr ? -1 : selected()->pm_id;
  if (id == detailed_id_) return;
  detailed_id_ = id;
  logs_.clear();
  for (TextPane* pane : {&details_, &environment_}) {
    pane->set({});
    pane->scroll_to_begin();
  }
}

void Model::ask(std::string text, std::optional<Action> one, std::optional<Action> all) {
  if (!one) return perform(std::nullopt);
  if (all)
    text += fmt::format("  y: {}, a: {}, n: no", one->subject, all->subject);
  else
    text += "  y: yes, n: no";
  question_ = Question{std::move(text), std::move(*one), std::move(all)};
}

void Model::perform(std::optional<Action> action) {
  if (!action) {
    say("other apps have names that this one would be mistaken for: type the command", Colour::red);
    return;
  }
  action_ = std::move(action);
}

void Model::begin(Verb verb) {
  const InstanceStatus* one = selected();
  if (one == nullptr) return say("nothing is selected");
  const auto& all = list_.all();
  const bool is_only = instances_of(one->name, all) == 1;
  if (verb == Verb::reload) return perform(on_app(verb, *one, all));
  if (verb == Verb::restart && is_only) return perform(on_instance(verb, *one, all));
  std::string text = fmt::format("{} {}?", words_of(verb).name, one->name);
  ask(std::move(text), on_instance(verb, *one, all),
      is_only ? std::nullopt : on_app(verb, *one, all));
}

void Model::scale(int difference) {
  const InstanceStatus* one = selected();
  if (one == nullptr) return say("nothing is selected");
  const int count = instances_of(one->name, list_.all());
  if (count + difference < 1) return say("it has one instance; D deletes it");
  std::optional<Action> action = on_app(Verb::scale, *one, list_.all());
  if (action) {
    action->difference = difference;
    action->subject = fmt::format("{} to {}", one->name, count + difference);
  }
  if (difference > 0) return perform(std::move(action));
  ask(fmt::format("scale {} from {} to {}?", one->name, count, count + difference),
      std::move(action), std::nullopt);
}

}  // namespace pmx::cli::monit
