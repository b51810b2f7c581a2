// A consumer gives a message back that it could not consume: it is stored once more, to come again after a
// while or to lie among the group's dead letters. RocketMQ: AbstractSendMessageProcessor.consumerSendMsgBack.
#pragma once

#include <cstdint>

#include "servers/wire/handler.h"

namespace rmq::broker {

class Broker;

// Answers CONSUMER_SEND_MSG_BACK when the message is stored as flushDiskType has it.
void send_back(Broker& broker, std::int32_t max_delay_level, const wire::Request& request,
               wire::Responder responder);

}  // namespace rmq::broker
