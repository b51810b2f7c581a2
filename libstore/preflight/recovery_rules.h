// Where the versions of RocketMQ differ in what they do at start, as one table.
#pragma once

#include "libstore/preflight/preflight.h"

namespace rmq::preflight {

struct RecoveryRules {
  StockVersion version;

  // MappedFileQueue.doLoad
  bool skips_directories;        // a sub directory is passed over; else its length is compared like a file's
  bool deletes_empty_last_file;  // a last file of length 0 is deleted; else its length does not match

  // CommitLog.checkMessageAndReturnSize
  bool knows_version_2;     // the second magic, with a two-byte topic length
  bool checks_remaining;    // TOTALSIZE against what is left; else an array of that size is allocated unseen
  bool parses_inner_batch;  // INNER_NUM and INNER_BASE, and fails where they are no numbers
  bool checks_dup_info;     // DUP_INFO when duplicationEnable
  bool checks_prop_crc;     // __CRC32# when forceVerifyPropCRC

  // CommitLog.recoverNormally
  bool starts_at_queues_end;  // last file that begins at or below the queues' end; else the third last file
  bool dispatches_normally;   // what lies behind the queues' end is dispatched while scanning

  bool confirms_end_of_message;    // duplication: dispatch up to confirmOffset by end, not by start
  bool confirm_offset_is_stored;   // taken over from the checkpoint; else it is -1 after every start
  bool has_batch_queues;           // BatchConsumeQueue, topic attributes
  bool min_offset_by_search;       // ConsumeQueue.correctMinOffset: last unit, then binary search
  bool index_failure_stops_start;  // IndexService.load's result counts
  bool reput_waits_for_queues;     // start() dispatches from the queues' end and waits until it is done
  bool spares_system_topics;       // no multi dispatch for retry, system and schedule topics
  bool decoder_checks_magic;       // MessageDecoder.decode
  bool has_broker_5_state;         // topicQueueMapping.json, consumerOrderInfo.json
};

inline constexpr RecoveryRules kRules49{
    .version = StockVersion::v4_9,
    .skips_directories = false,
    .deletes_empty_last_file = false,
    .knows_version_2 = false,
    .checks_remaining = false,
    .parses_inner_batch = false,
    .checks_dup_info = false,
    .checks_prop_crc = false,
    .starts_at_queues_end = false,
    .dispatches_normally = false,
    .confirms_end_of_message = false,
    .confirm_offset_is_stored = false,
    .has_batch_queues = false,
    .min_offset_by_search = false,
    .index_failure_stops_start = false,
    .reput_waits_for_queues = true,
    .spares_system_topics = false,
    .decoder_checks_magic = false,
    .has_broker_5_state = false,
};

inline constexpr RecoveryRules kRules53{
    .version = StockVersion::v5_3,
    .skips_directories = true,
    .deletes_empty_last_file = true,
    .knows_version_2 = true,
    .checks_remaining = true,
    .parses_inner_batch = true,
    .checks_dup_info = true,
    .checks_prop_crc = true,
    .starts_at_queues_end = true,
    .dispatches_normally = true,
    .confirms_end_of_message = true,
    .confirm_offset_is_stored = true,
    .has_batch_queues = true,
    .min_offset_by_search = true,
    .index_failure_stops_start = true,
    .reput_waits_for_queues = false,
    .spares_system_topics = true,
    .decoder_checks_magic = true,
    .has_broker_5_state = true,
};

[[nodiscard]] constexpr const RecoveryRules& rules_of(StockVersion version) {
  return version == StockVersion::v4_9 ? kRules49 : kRules53;
}

}  // namespace rmq::preflight
