// Joins delayed messages and redelivery to a broker: DelayService with its thread, CONSUMER_SEND_MSG_BACK
// (36), GET_ALL_DELAY_OFFSET (45), and what the runtime info says of them.
#pragma once

namespace rmq::broker {

class Broker;

void add_delayed_messages(Broker& broker);

}  // namespace rmq::broker
