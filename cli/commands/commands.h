// One function per command; each is described in command_table.cpp and lives in the file of its
// name.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"

namespace pmx::cli {

int run_apply(Context& context, Arguments& arguments);
int run_attach(Context& context, Arguments& arguments);
int run_cleardump(Context& context, Arguments& arguments);
int run_conf(Context& context, Arguments& arguments);
int run_completion(Context& context, Arguments& arguments);
int run_delete(Context& context, Arguments& arguments);
int run_describe(Context& context, Arguments& arguments);
int run_doctor(Context& context, Arguments& arguments);
int run_env(Context& context, Arguments& arguments);
int run_events(Context& context, Arguments& arguments);
int run_export(Context& context, Arguments& arguments);
int run_examples(Context& context, Arguments& arguments);
int run_flush(Context& context, Arguments& arguments);
int run_get(Context& context, Arguments& arguments);
int run_help(Context& context, Arguments& arguments);
int run_id(Context& context, Arguments& arguments);
int run_init(Context& context, Arguments& arguments);
int run_import(Context& context, Arguments& arguments);
int run_jlist(Context& context, Arguments& arguments);
int run_kill(Context& context, Arguments& arguments);
int run_list(Context& context, Arguments& arguments);
int run_logs(Context& context, Arguments& arguments);
int run_monit(Context& context, Arguments& arguments);
int run_multiset(Context& context, Arguments& arguments);
int run_pid(Context& context, Arguments& arguments);
int run_plan(Context& context, Arguments& arguments);
int run_ping(Context& context, Arguments& arguments);
int run_prettylist(Context& context, Arguments& arguments);
int run_reload(Context& context, Arguments& arguments);
int run_reload_logs(Context& context, Arguments& arguments);
int run_report(Context& context, Arguments& arguments);
int run_reset(Context& context, Arguments& arguments);
int run_restart(Context& context, Arguments& arguments);
int run_resurrect(Context& context, Arguments& arguments);
int run_run(Context& context, Arguments& arguments);
int run_save(Context& context, Arguments& arguments);
int run_scale(Context& context, Arguments& arguments);
int run_schema(Context& context, Arguments& arguments);
int run_send(Context& context, Arguments& arguments);
int run_send_signal(Context& context, Arguments& arguments);
int run_serve(Context& context, Arguments& arguments);
int run_slist(Context& context, Arguments& arguments);
int run_set(Context& context, Arguments& arguments);
int run_start(Context& context, Arguments& arguments);
int run_startup(Context& context, Arguments& arguments);
int run_stop(Context& context, Arguments& arguments);
int run_trigger(Context& context, Arguments& arguments);
int run_unit(Context& context, Arguments& arguments);
int run_unset(Context& context, Arguments& arguments);
int run_unstartup(Context& context, Arguments& arguments);
int run_update(Context& context, Arguments& arguments);
int run_validate(Context& context, Arguments& arguments);

}  // namespace pmx::cli
