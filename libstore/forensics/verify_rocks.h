// What verify says of the RocksDBs that it reads as queues and as configuration. Internal to verify*.cc.
#pragma once

#include "libstore/forensics/verify_context.h"
#include "libstore/rocks/config_tables.h"
#include "libstore/rocks/queue_files.h"

namespace rmq::forensics {

// That a database can be read, that its entries are ones, and that the table of ends agrees with the units.
// The units themselves are verified as those of files are. After verify_queues.
void verify_rocks_queues(VerifyContext& context, const rocks::QueueFiles& files);
// The same of topics, groups and offsets.
void verify_rocks_config(VerifyContext& context);

}  // namespace rmq::forensics
