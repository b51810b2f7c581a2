// What verify says of the RocksDBs that it reads as queues and as configuration. Internal to verify*.cc.
#pragma once

#include "libstore/forensics/verify_context.h"
#include "libstore/rocks/config_tables.h"
#include "libstore/rocks/queue_files.h"

namespace rmq::forensics {

// That a database can be read, that its entries are ones, and that the table of ends agrees with the units.
// The units themselves are verified as those of files are. After verify_queues.
void verify_rocks_queues(VerifyContext& context, const rocks::QueueFiles& files);
// Deep: the checksums of all tables of a database, and tables that it does not know. `shown` is its CURRENT.
void check_rocks_tables(VerifyContext& context, const std::string& directory, const std::string& shown,
                        std::string_view code, Severity severity);
// The same of topics, groups and offsets.
void verify_rocks_config(VerifyContext& context);
// verify_pop_states.cc: the same of what is popped and not acknowledged.
void verify_pop_states(VerifyContext& context);

}  // namespace rmq::forensics
